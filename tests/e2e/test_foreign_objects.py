"""An object that somebody else made is never taken over, though it has the name of one of ours."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chaos.system import System
from local import pulumi_cli
from tests.e2e.conftest import CLUSTER
from tests.e2e.system import make


@pytest.fixture
def theirs(system: System) -> Iterator[dict[str, Any]]:
    """A ConfigMap of somebody's in the place of ours. Pods that run need ours no more."""
    system.kubectl("delete", "configmap", "etcd-config")
    system.kubectl("create", "configmap", "etcd-config", "--from-literal=of=somebody")
    try:
        yield config_map(system)
    finally:
        system.kubectl("delete", "configmap", "etcd-config")
        make("up", CLUSTER)


@pytest.mark.skipif(pulumi_cli.path() is not None, reason="the Pulumi CLI refuses in its own words")
@pytest.mark.parametrize("target", ["preview", "up"])
def test_it_is_refused_and_left_as_it_was(system: System, theirs: dict[str, Any], target: str) -> None:
    with pytest.raises(AssertionError, match="ConfigMap ha-counter/etcd-config exists and this engine did not make it"):
        make(target, CLUSTER)

    assert config_map(system) == theirs


def config_map(system: System) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(system.kubectl("get", "configmap", "etcd-config", "-o", "json"))
    return found
