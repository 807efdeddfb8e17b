"""Pulumi.yaml's schema, the rules, the settings, the dev stack's file and the README must speak of the same keys."""

import re
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
    "imageDelivery": "load",
    "registry": "localhost:5000",
    "registryUser": "somebody",
    "registryPassword": "hunter2",
    "platform": "linux/arm64",
    "counterImage": "counter:1.0",
    "etcdImage": "etcd:1.0",
    "controllerImage": "controller:1.0",
    "backupImage": "backup:1.0",
    "nfsImage": "nfs:1.0",
    "nodePort": "30181",
    "counterReplicas": "2",
    "counterCpuRequest": "400m",
    "counterCpuLimit": "2",
    "counterMemoryRequest": "256Mi",
    "counterMemoryLimit": "2Gi",
    "counterLogLevel": "debug",
    "etcdMembers": "5",
    "etcdStorage": "2Gi",
    "etcdStorageClass": "other",
    "etcdCpuRequest": "200m",
    "etcdCpuLimit": "2",
    "etcdMemoryRequest": "256Mi",
    "etcdMemoryLimit": "2Gi",
    "controllerCpuRequest": "200m",
    "controllerCpuLimit": "2",
    "controllerMemoryRequest": "256Mi",
    "controllerMemoryLimit": "2Gi",
    "controllerLogLevel": "debug",
    "snapshotVolume": "none",
    "snapshotStorage": "2Gi",
    "snapshotStorageClass": "other",
    "snapshotExport": "other:/path",
    "snapshotClaim": "other",
    "snapshotInterval": "60",
    "backupCpuRequest": "200m",
    "backupCpuLimit": "2",
    "backupMemoryRequest": "256Mi",
    "backupMemoryLimit": "3Gi",
    "backupLogLevel": "debug",
    "nfsCpuRequest": "200m",
    "nfsCpuLimit": "2",
    "nfsMemoryRequest": "128Mi",
    "nfsMemoryLimit": "2Gi",
}


def load(config: dict[str, str]) -> Settings:
    return with_config(config, lambda: load_settings(pulumi.Config(PROJECT)))


def dev_config() -> dict[str, Any]:
    """What the dev stack's file says, by keys without the project's name."""
    config = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in config.items()}


def configuration_section() -> str:
    """The README's section on the config."""
    return (ROOT / "README.md").read_text().partition("\n## Configuration\n")[2].partition("\n## ")[0]


def test_every_key_has_a_rule_and_no_other() -> None:
    assert list(RULES) == list(schema())


def test_every_key_is_tried_here() -> None:
    assert list(ANOTHER_VALUE) == list(schema())


# The keys that go with others only.
LOGIN = {"registryUser": "me", "registryPassword": "secret"}
EXISTING = {
    "imageDelivery": "existing",
    "counterImage": "counter",
    "etcdImage": "etcd",
    "controllerImage": "controller",
    "backupImage": "backup",
    "nfsImage": "nfs",
}
GOES_WITH = {
    "registryUser": LOGIN,
    "registryPassword": LOGIN,
    "counterImage": EXISTING,
    "etcdImage": EXISTING,
    "controllerImage": EXISTING,
    "backupImage": EXISTING,
    "nfsImage": EXISTING,
    "snapshotExport": {"snapshotVolume": "export", "snapshotExport": "nas:/path"},
    "snapshotClaim": {"snapshotVolume": "claim", "snapshotClaim": "mine"},
}


@pytest.mark.parametrize("key", schema())
def test_every_key_makes_a_difference(key: str) -> None:
    before = full_config() | GOES_WITH.get(key, {})

    assert load(before | {key: ANOTHER_VALUE[key]}) != load(before)


def test_the_dev_stack_can_be_used_and_sets_known_keys_only() -> None:
    dev = dev_config()

    assert dev.keys() <= schema().keys()
    load(full_config() | {key: str(value) for key, value in dev.items()})


def test_the_dev_stack_sets_no_value_that_is_the_default_anyway() -> None:
    assert [key for key, value in dev_config().items() if schema()[key].get("default") == value] == []


def test_pulumi_itself_refuses_no_value_so_that_the_program_names_all_faults_at_once() -> None:
    assert {entry["type"] for entry in schema().values()} == {"string"}
    assert [key for key, entry in schema().items() if not isinstance(entry["default"], str)] == []


def test_only_what_nobody_can_guess_must_be_set() -> None:
    load({key: entry["default"] for key, entry in schema().items()} | {"context": "c", "registry": "localhost"})


def test_the_readme_has_every_key_with_its_default_in_the_schema_s_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", configuration_section(), re.MULTILINE)

    assert rows == [(key, f"`{entry['default']}`" if entry["default"] else "none") for key, entry in schema().items()]


@pytest.mark.parametrize(("key", "entry"), schema().items())
def test_every_key_is_described(key: str, entry: dict[str, Any]) -> None:
    assert entry["description"], key
