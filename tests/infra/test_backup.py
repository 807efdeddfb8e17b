from typing import Any

import pytest

from tests.infra.program_run import ProgramRun, Registration, run_program
from tests.infra.stack_config import full_config

DEPLOYMENT = "kubernetes:apps/v1:Deployment"


@pytest.fixture
def deployment(run: ProgramRun) -> Registration:
    return run.find(DEPLOYMENT, "etcd-backup")


@pytest.fixture
def pod(deployment: Registration) -> dict[str, Any]:
    return dict(deployment.inputs["spec"]["template"]["spec"])


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    [only] = pod["containers"]
    return dict(only)


def claim(run: ProgramRun) -> str:
    """The claim that backup keeps its snapshots on."""
    volumes = run.find(DEPLOYMENT, "etcd-backup").inputs["spec"]["template"]["spec"]["volumes"]
    [name] = [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if volume["name"] == "snapshots"]
    return str(name)


def test_there_is_one_at_a_time(deployment: Registration) -> None:
    assert deployment.inputs["spec"]["replicas"] == 1
    assert deployment.inputs["spec"]["strategy"] == {"type": "Recreate"}


def test_it_is_told_where_etcd_is_and_where_to_keep_what(container: dict[str, Any]) -> None:
    assert container["env"] == [
        {"name": "MY_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "ETCD_ENDPOINTS", "valueFrom": {"configMapKeyRef": {"name": "etcd-config", "key": "endpoints"}}},
        {"name": "SNAPSHOTS_DIR", "value": "/snapshots"},
        {"name": "SCRATCH_DIR", "value": "/scratch"},
        {"name": "SNAPSHOT_INTERVAL", "value": "300"},
        {"name": "PORT", "value": "8080"},
        {"name": "LOG_LEVEL", "value": "info"},
        {"name": "GOMAXPROCS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1"}}},
        {"name": "GOMEMLIMIT", "value": str(2 * 1024**3 * 4 // 10)},
    ]
    assert {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]} == {
        "snapshots": "/snapshots",
        "scratch": "/scratch",
    }


def test_its_probes_ask_neither_etcd_nor_the_volume(container: dict[str, Any]) -> None:
    assert container["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["livenessProbe"]["tcpSocket"] == {"port": "http"}
    assert container["livenessProbe"]["periodSeconds"] * container["livenessProbe"]["failureThreshold"] >= 60


def test_it_waits_for_no_member_since_members_wait_for_it(run: ProgramRun, deployment: Registration) -> None:
    assert run.find("kubernetes:apps/v1:StatefulSet", "etcd").urn not in deployment.dependencies


def test_a_dead_node_is_waited_for_half_a_minute(pod: dict[str, Any]) -> None:
    assert pod["tolerations"] == [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
        for key in ("not-ready", "unreachable")
    ]


def test_its_resources(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert pod["terminationGracePeriodSeconds"] == 30
    assert container["resources"] == {
        "requests": {"cpu": "40m", "memory": "128Mi"},
        "limits": {"cpu": "1", "memory": "2Gi"},
    }


def test_it_has_room_for_scratch_members_as_large_as_the_members_are() -> None:
    run = run_program(full_config() | {"etcdStorage": "3Gi"})

    volumes = run.find(DEPLOYMENT, "etcd-backup").inputs["spec"]["template"]["spec"]["volumes"]
    assert {"name": "scratch", "emptyDir": {"sizeLimit": str(12 << 30)}} in volumes


def test_its_service(run: ProgramRun) -> None:
    spec = run.find("kubernetes:core/v1:Service", "etcd-backup").inputs["spec"]

    assert spec["selector"] == {"app.kubernetes.io/name": "etcd-backup"}
    assert spec["ports"] == [{"name": "http", "port": 8080, "targetPort": "http"}]


def test_members_ask_it_where_its_service_is(run: ProgramRun) -> None:
    [member] = run.find("kubernetes:apps/v1:StatefulSet", "etcd").inputs["spec"]["template"]["spec"]["containers"]

    assert {"name": "BACKUP_URL", "value": run.outputs["backupUrl"]} in member["env"]
    assert run.outputs["backupUrl"] == "http://etcd-backup:8080"


def test_another_size_and_another_rhythm() -> None:
    run = run_program(full_config() | {"snapshotInterval": "60", "backupLogLevel": "debug", "backupCpuLimit": "2"})

    [container] = run.find(DEPLOYMENT, "etcd-backup").inputs["spec"]["template"]["spec"]["containers"]
    assert {"name": "SNAPSHOT_INTERVAL", "value": "60"} in container["env"]
    assert {"name": "LOG_LEVEL", "value": "debug"} in container["env"]
    assert container["resources"]["limits"]["cpu"] == "2"


# Where the snapshots are.


def test_they_are_on_the_nfs_server(run: ProgramRun, deployment: Registration) -> None:
    volume = run.find("kubernetes:core/v1:PersistentVolumeClaim", "snapshots")

    assert claim(run) == volume.inputs["metadata"]["name"] == "etcd-snapshots-10-0-0-7"
    assert volume.urn in deployment.dependencies


def test_or_on_an_export(with_export: ProgramRun) -> None:
    volume = with_export.find("kubernetes:core/v1:PersistentVolumeClaim", "snapshots")
    assert claim(with_export) == volume.inputs["metadata"]["name"]


def test_or_on_a_claim_that_is_there(with_claim: ProgramRun) -> None:
    assert claim(with_claim) == "mine"


def test_or_nowhere(without_backup: ProgramRun) -> None:
    assert [resource.name for resource in without_backup.resources if "backup" in resource.name] == []
