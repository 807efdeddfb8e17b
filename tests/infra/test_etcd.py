from typing import Any

import pytest

from tests.infra.program_run import ProgramRun, Registration, run_program
from tests.infra.stack_config import full_config

SERVICE = "kubernetes:core/v1:Service"
STATEFUL_SET = "kubernetes:apps/v1:StatefulSet"

# All that there may ever be, whatever is configured.
MEMBERS = ["etcd0", "etcd1", "etcd2", "etcd3", "etcd4", "etcd5", "etcd6"]


@pytest.fixture
def stateful_set(run: ProgramRun) -> Registration:
    return run.find(STATEFUL_SET, "etcd")


@pytest.fixture
def container(stateful_set: Registration) -> dict[str, Any]:
    return dict(stateful_set.inputs["spec"]["template"]["spec"]["containers"][0])


def service(run: ProgramRun, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = run.find(SERVICE, name).inputs["spec"]
    return spec


def services(run: ProgramRun) -> dict[str, dict[str, Any]]:
    return {resource.name: resource.inputs for resource in run.of_type(SERVICE)}


def ports(spec: dict[str, Any]) -> dict[int, str]:
    return {int(port["port"]): port["targetPort"] for port in spec["ports"]}


def test_what_can_not_be_changed_later(stateful_set: Registration) -> None:
    spec = stateful_set.inputs["spec"]

    assert spec["serviceName"] == "etcd"
    assert spec["podManagementPolicy"] == "Parallel"
    assert spec["selector"] == {"matchLabels": {"app.kubernetes.io/name": "etcd"}}
    assert spec["volumeClaimTemplates"] == [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
    ]


def test_a_member_is_told_who_it_is_and_whom_to_ask(container: dict[str, Any]) -> None:
    assert container["env"] == [
        {"name": "MY_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "MY_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        {"name": "CONTROLLER_URL", "value": "http://etcd-controller:8080"},
        {"name": "BACKUP_URL", "value": "http://etcd-backup:8080"},
        {"name": "DATA_DIR", "value": "/var/lib/etcd/data"},
        {"name": "GOMAXPROCS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1"}}},
        {"name": "GOMEMLIMIT", "value": str(1024**3 * 9 // 10)},
        {"name": "QUOTA", "value": str(1024**3 // 4)},
    ]
    assert container["volumeMounts"] == [{"name": "data", "mountPath": "/var/lib/etcd"}]


def test_its_ports(container: dict[str, Any]) -> None:
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
        "client": 2379,
        "peer": 2380,
        "metrics": 2381,
    }


@pytest.mark.parametrize(
    ("probe", "path"), [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
)
def test_its_probes_ask_the_metrics_port_with_patience(container: dict[str, Any], probe: str, path: str) -> None:
    assert container[probe]["httpGet"] == {"path": path, "port": "metrics"}
    assert container[probe]["timeoutSeconds"] > 1


def test_it_has_time_to_hand_over_the_leadership(stateful_set: Registration) -> None:
    assert stateful_set.inputs["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 30


def test_a_leader_has_a_snapshot_saved_before_it_ends(container: dict[str, Any]) -> None:
    assert container["lifecycle"] == {"preStop": {"exec": {"command": ["python", "-m", "member.pre_stop"]}}}


def test_members_start_after_backup_which_they_ask(run: ProgramRun, stateful_set: Registration) -> None:
    backup = run.find(SERVICE, "etcd-backup")

    assert backup.urn in stateful_set.dependencies
    assert run.find("kubernetes:apps/v1:Deployment", "etcd-backup").urn in backup.dependencies


def test_without_backup_they_ask_the_controller_alone(without_backup: ProgramRun) -> None:
    [container] = without_backup.find(STATEFUL_SET, "etcd").inputs["spec"]["template"]["spec"]["containers"]

    urls = {variable["name"]: variable["value"] for variable in container["env"] if variable["name"].endswith("_URL")}
    assert urls == {"CONTROLLER_URL": "http://etcd-controller:8080", "BACKUP_URL": ""}


def test_its_resources(container: dict[str, Any]) -> None:
    assert container["resources"] == {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }


def test_every_member_that_there_may_be_has_a_service_with_an_address_of_its_own(run: ProgramRun) -> None:
    for ordinal, member in enumerate(MEMBERS):
        spec = service(run, member)
        assert spec["selector"] == {
            "app.kubernetes.io/name": "etcd",
            "statefulset.kubernetes.io/pod-name": f"etcd-{ordinal}",
        }
        assert ports(spec) == {2379: "client", 2380: "peer"}
        assert spec["clusterIP"] != "None"


@pytest.mark.parametrize("name", [*MEMBERS, "etcd"])
def test_members_find_one_another_before_they_are_ready(run: ProgramRun, name: str) -> None:
    assert service(run, name)["publishNotReadyAddresses"] is True


def test_the_governing_service_is_headless(run: ProgramRun) -> None:
    assert service(run, "etcd")["clusterIP"] == "None"


def test_clients_reach_ready_members_only(run: ProgramRun) -> None:
    spec = service(run, "etcd-client")

    assert spec["selector"] == {"app.kubernetes.io/name": "etcd"}
    assert ports(spec) == {2379: "client"}
    assert "publishNotReadyAddresses" not in spec


def test_services_come_first_and_wait_for_no_pod(run: ProgramRun, stateful_set: Registration) -> None:
    members = [run.find(SERVICE, member) for member in MEMBERS]

    assert {service.urn for service in [*members, run.find(SERVICE, "etcd")]} <= stateful_set.dependencies
    assert [member.inputs["metadata"]["annotations"] for member in members] == [{"pulumi.com/skipAwait": "true"}] * len(
        MEMBERS
    )


def test_another_storage_class() -> None:
    run = run_program(full_config() | {"etcdStorageClass": "fast"})

    [claim] = run.find(STATEFUL_SET, "etcd").inputs["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"


# How many there are.


@pytest.fixture(scope="module", params=[1, 7])
def number(request: pytest.FixtureRequest) -> int:
    """The fewest members and the most."""
    return int(request.param)


@pytest.fixture(scope="module")
def of_another_size(number: int) -> ProgramRun:
    return run_program(full_config() | {"etcdMembers": str(number)})


def test_it_begins_with_as_many_as_are_configured(of_another_size: ProgramRun, number: int) -> None:
    assert of_another_size.find(STATEFUL_SET, "etcd").inputs["spec"]["replicas"] == number
    assert of_another_size.outputs["etcdEndpoints"].split(",") == [f"http://{m}:2379" for m in MEMBERS[:number]]


def test_from_then_on_only_the_controller_scales_it(run: ProgramRun) -> None:
    assert {resource.name: resource.ignored for resource in run.resources if resource.ignored} == {
        "etcd": {"spec.replicas"}
    }


def test_with_the_number_nothing_else_of_it_changes(
    run: ProgramRun, of_another_size: ProgramRun, stateful_set: Registration
) -> None:
    """So no member rolls for it, and no Service of a member that is yet to leave goes."""
    another = of_another_size.find(STATEFUL_SET, "etcd").inputs["spec"]

    assert {**another, "replicas": 3} == stateful_set.inputs["spec"]
    assert services(of_another_size) == services(run)
