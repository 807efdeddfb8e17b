"""What the program registers is what is live: run once more without an engine, and compared with the cluster."""

import json
import sys
from typing import Any

import pytest

from chaos.system import NAMESPACE, System
from local import pulumi_cli, stack_config
from local.differences import content, differences
from local.kube import Kube, Object, describe
from local.ownership import FIELD_MANAGER, STACK_LABEL
from local.values import plain
from tests.e2e.conftest import CLUSTER
from tests.e2e.system import run
from tests.infra.program_run import CLUSTER_IP, Registration, run_program

STACK = "dev"
NFS_SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"namespace": f"{NAMESPACE}-nfs", "name": "nfs-service"},
}


@pytest.fixture
def kube(system: System) -> Kube:
    return Kube(system.layout.name, system.layout.kubeconfig)


@pytest.fixture
def registered(system: System, kube: Kube) -> list[Object]:
    """The objects that the program registers for the deployed stack, with the images and the names that these got."""
    overrides = {"context": system.layout.name, "registry": system.layout.registry}
    config = stack_config.load(STACK, overrides).values
    program = run_program({key.partition(":")[2]: value for key, value in config.items()}, stack=STACK)
    live_images = json.loads(run([sys.executable, "-m", "local.stack", "output", "images", f"--cluster={CLUSTER}"]))
    live = {program.outputs["images"][name]: reference for name, reference in live_images.items()}
    service = kube.get(NFS_SERVICE)
    assert service is not None
    address = service["spec"]["clusterIP"]
    live |= {CLUSTER_IP: address, CLUSTER_IP.replace(".", "-"): address.replace(".", "-")}
    objects = [resource for resource in program.resources if resource.type.startswith("kubernetes:")]
    return [named(kube, resource, replaced(plain(resource.inputs), live)) for resource in objects]


def replaced(value: Any, texts: dict[str, str]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        # No Service asks for an address: what one got stands there like an input.
        asked = {key: item for key, item in value.items() if (key, item) != ("clusterIP", CLUSTER_IP)}
        return {key: replaced(item, texts) for key, item in asked.items()}
    if isinstance(value, list):
        return [replaced(item, texts) for item in value]
    if isinstance(value, str):
        for made_up, live in texts.items():
            value = value.replace(made_up, live)
    return value


def named(kube: Kube, resource: Registration, item: Object) -> Object:
    """The object, with the name that the engine chose if the program did not."""
    if "name" in item["metadata"]:
        return item
    candidates = kube.list(item["apiVersion"], item["kind"], item["metadata"]["namespace"])
    [name] = [name for live in candidates if (name := live["metadata"]["name"]).startswith(f"{resource.name}-")]
    return {**item, "metadata": {**item["metadata"], "name": name}}


def test_every_field_that_the_program_sets_is_live(kube: Kube, registered: list[Object]) -> None:
    for item in registered:
        live = kube.get(item)
        assert live is not None, describe(item)
        # The API server says what the object would be if it were applied again: that fills defaults in as it did then.
        labels = {**live["metadata"]["labels"], **item["metadata"].get("labels", {})}
        again = kube.apply({**item, "metadata": {**item["metadata"], "labels": labels}}, FIELD_MANAGER, dry_run=True)
        assert differences(content(live), content(again)) == [], describe(item)


@pytest.mark.skipif(pulumi_cli.path() is not None, reason="the Pulumi CLI puts no such label on objects")
def test_nothing_else_carries_the_stack_s_label(kube: Kube, registered: list[Object]) -> None:
    live = [item for item in kube.labelled(f"{STACK_LABEL}={STACK}") if not is_a_controller_s(item)]

    assert sorted(map(describe, live)) == sorted(map(describe, registered))


def test_nothing_else_is_in_the_namespace_but_what_controllers_made(kube: Kube, registered: list[Object]) -> None:
    live = [item for item in kube.inside(NAMESPACE) if not is_a_controller_s(item)]

    inside = [item for item in registered if item["metadata"].get("namespace") == NAMESPACE]
    assert sorted(map(describe, live)) == sorted(map(describe, inside))


def is_a_controller_s(item: Object) -> bool:
    """Whether only the cluster's own controllers ever wrote to an object."""
    writers = {entry["manager"] for entry in item["metadata"].get("managedFields", [])}
    if not writers:  # nobody wrote anything into it, as into the account that every namespace has
        return (item["kind"], item["metadata"]["name"]) == ("ServiceAccount", "default")
    return writers <= {"kube-controller-manager", "kube-scheduler", "kubelet"}
