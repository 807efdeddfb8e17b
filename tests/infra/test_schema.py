"""Pulumi.yaml's schema, the rules, the settings and the dev stack's file must speak of the same keys."""

from typing import Any

import pulumi
import pytest
import yaml

from ha_counter.rules import RULES
from ha_counter.settings import Settings, load_settings
from tests.infra.stack_config import PROJECT, ROOT, full_config, schema, with_config

ANOTHER_VALUE = {
    "context": "other",
    "kubeconfig": "/other",
    "namespace": "other",
    "spread": "required",
    "registry": "localhost:5000",
    "nodePort": "30181",
    "counterReplicas": "2",
    "counterCpuRequest": "400m",
    "counterCpuLimit": "2",
    "counterMemoryRequest": "256Mi",
    "counterMemoryLimit": "2Gi",
    "etcdMembers": "5",
    "etcdStorage": "2Gi",
    "etcdStorageClass": "other",
    "etcdCpuRequest": "200m",
    "etcdCpuLimit": "2",
    "etcdMemoryRequest": "256Mi",
    "etcdMemoryLimit": "2Gi",
}


def load(config: dict[str, str]) -> Settings:
    return with_config(config, lambda: load_settings(pulumi.Config(PROJECT)))


def dev_config() -> dict[str, Any]:
    """What the dev stack's file says, by keys without the project's name."""
    config = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in config.items()}


def test_every_key_has_a_rule_and_no_other() -> None:
    assert list(RULES) == list(schema())


def test_every_key_is_tried_here() -> None:
    assert list(ANOTHER_VALUE) == list(schema())


@pytest.mark.parametrize("key", schema())
def test_every_key_makes_a_difference(key: str) -> None:
    assert load(full_config() | {key: ANOTHER_VALUE[key]}) != load(full_config())


def test_the_dev_stack_can_be_used_and_sets_known_keys_only() -> None:
    dev = dev_config()

    assert dev.keys() <= schema().keys()
    load(full_config() | {key: str(value) for key, value in dev.items()})


def test_the_dev_stack_sets_no_value_that_is_the_default_anyway() -> None:
    assert [key for key, value in dev_config().items() if schema()[key].get("default") == value] == []


def test_only_what_nobody_can_guess_must_be_set() -> None:
    assert [key for key, entry in schema().items() if "default" not in entry] == ["context", "registry"]


@pytest.mark.parametrize(("key", "entry"), schema().items())
def test_every_key_is_described_and_its_default_has_its_type(key: str, entry: dict[str, Any]) -> None:
    types = {"string": str, "integer": int}

    assert entry["description"], key
    assert isinstance(entry.get("default", types[entry["type"]]()), types[entry["type"]])
