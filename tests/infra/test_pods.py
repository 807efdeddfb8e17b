"""What holds for the pods of every workload."""

from typing import Any

import pytest

from tests.infra.program_run import ProgramRun, Registration, run_program
from tests.infra.stack_config import full_config

STATEFUL_SET = "kubernetes:apps/v1:StatefulSet"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


# What nfs-ganesha was seen to need.
NEEDED_FOR_NFS = ["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "SETGID", "SETUID"]

SEVERAL = ["etcd", "counter-deployment"]
RESTRICTED = [*SEVERAL, "etcd-controller", "etcd-backup"]
ALL = [*RESTRICTED, "nfs"]


@pytest.fixture(params=ALL)
def workload(run: ProgramRun, request: pytest.FixtureRequest) -> Registration:
    [found] = [resource for resource in run.resources if resource.name == request.param and is_workload(resource)]
    return found


@pytest.fixture
def pod(workload: Registration) -> dict[str, Any]:
    spec: dict[str, Any] = workload.inputs["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    [only] = pod["containers"]
    return dict(only)


def is_workload(resource: Registration) -> bool:
    return "template" in resource.inputs.get("spec", {})


def test_no_workload_is_missing_here(run: ProgramRun) -> None:
    assert {resource.name for resource in run.resources if is_workload(resource)} == {*ALL}


@pytest.mark.parametrize("workload", RESTRICTED, indirect=True)
def test_pods_are_run_by_nobody_in_particular(pod: dict[str, Any]) -> None:
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_containers_can_gain_no_rights(workload: Registration, container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], **({"add": NEEDED_FOR_NFS} if workload.name == "nfs" else {})},
    }


def test_pods_know_nothing_of_the_cluster_that_they_do_not_need(pod: dict[str, Any]) -> None:
    assert pod["enableServiceLinks"] is False


def test_only_the_controller_has_an_account_at_the_api_server(workload: Registration, pod: dict[str, Any]) -> None:
    needs_one = workload.name == "etcd-controller"

    assert pod["automountServiceAccountToken"] is needs_one
    assert pod.get("serviceAccountName") == ("etcd-controller" if needs_one else None)


def test_pods_reach_nothing_of_their_node(pod: dict[str, Any]) -> None:
    assert pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"} == set()
    for volume in pod.get("volumes", []):
        assert volume.keys() - {"name"} <= {"emptyDir", "persistentVolumeClaim"}


def test_what_pods_write_on_their_node_is_limited(pod: dict[str, Any]) -> None:
    for volume in pod.get("volumes", []):
        assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"]


def test_containers_run_an_image_by_its_digest_as_it_is(container: dict[str, Any]) -> None:
    assert "@sha256:" in container["image"]
    assert container.keys() & {"command", "args"} == set()


def test_selectors_find_the_pods_of_their_workload_only(run: ProgramRun, workload: Registration) -> None:
    selector = workload.inputs["spec"]["selector"]["matchLabels"]
    [matching] = [
        resource
        for resource in run.resources
        if is_workload(resource)
        and selector.items() <= resource.inputs["spec"]["template"]["metadata"]["labels"].items()
    ]

    assert matching is workload


@pytest.mark.parametrize("workload", SEVERAL, indirect=True)
def test_at_most_one_pod_is_evicted_at_a_time(run: ProgramRun, workload: Registration) -> None:
    selector = workload.inputs["spec"]["selector"]
    [budget] = [
        resource.inputs["spec"]
        for resource in run.of_type("kubernetes:policy/v1:PodDisruptionBudget")
        if resource.inputs["spec"]["selector"] == selector
    ]

    assert budget["maxUnavailable"] == 1


@pytest.mark.parametrize("workload", SEVERAL, indirect=True)
def test_pods_are_spread_over_the_nodes_that_are_alive(workload: Registration, pod: dict[str, Any]) -> None:
    [spread] = pod["topologySpreadConstraints"]

    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["maxSkew"] == 1
    assert spread["labelSelector"] == workload.inputs["spec"]["selector"]
    assert spread["nodeTaintsPolicy"] == "Honor"


def test_only_pods_of_one_revision_of_a_deployment_keep_apart(run: ProgramRun) -> None:
    def revision_labels(resource: Registration) -> list[str] | None:
        [spread] = resource.inputs["spec"]["template"]["spec"]["topologySpreadConstraints"]
        labels: list[str] | None = spread.get("matchLabelKeys")
        return labels

    assert revision_labels(run.find(DEPLOYMENT, "counter-deployment")) == ["pod-template-hash"]
    assert revision_labels(run.find(STATEFUL_SET, "etcd")) is None


@pytest.mark.parametrize(("spread", "otherwise"), [("required", "DoNotSchedule"), ("preferred", "ScheduleAnyway")])
def test_the_config_says_how_strictly(spread: str, otherwise: str) -> None:
    workloads = filter(is_workload, run_program(full_config() | {"spread": spread}).resources)

    assert {
        constraint["whenUnsatisfiable"]
        for resource in workloads
        for constraint in resource.inputs["spec"]["template"]["spec"].get("topologySpreadConstraints", [])
    } == {otherwise}
