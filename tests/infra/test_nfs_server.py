from typing import Any

import pytest

from tests.infra.program_run import ProgramRun, Registration, run_program
from tests.infra.stack_config import ROOT, full_config

STATEFUL_SET = "kubernetes:apps/v1:StatefulSet"
SERVICE = "kubernetes:core/v1:Service"


@pytest.fixture
def stateful_set(run: ProgramRun) -> Registration:
    return run.find(STATEFUL_SET, "nfs")


@pytest.fixture
def container(stateful_set: Registration) -> dict[str, Any]:
    [only] = stateful_set.inputs["spec"]["template"]["spec"]["containers"]
    return dict(only)


def test_what_can_not_be_changed_later(stateful_set: Registration) -> None:
    spec = stateful_set.inputs["spec"]

    assert spec["serviceName"] == "nfs-service"
    assert spec["selector"] == {"matchLabels": {"app.kubernetes.io/name": "nfs"}}
    assert spec["volumeClaimTemplates"] == [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}},
        }
    ]


def test_there_is_one(stateful_set: Registration) -> None:
    assert stateful_set.inputs["spec"]["replicas"] == 1


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_its_probes_read_a_file_over_nfs(container: dict[str, Any], probe: str) -> None:
    assert container[probe]["exec"] == {"command": ["python", "-m", "nfs.probe"]}
    assert container[probe]["timeoutSeconds"] > 4, "the probe itself gives up after 4 s"


def test_it_writes_to_its_volume_and_to_little_else(stateful_set: Registration, container: dict[str, Any]) -> None:
    volumes = stateful_set.inputs["spec"]["template"]["spec"]["volumes"]

    assert volumes == [{"name": name, "emptyDir": {"sizeLimit": "16Mi"}} for name in ("run", "tmp")]
    assert {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]} == {
        "data": "/data",
        "run": "/run",
        "tmp": "/tmp",
    }


def test_the_seccomp_profile_does_not_forbid_it_file_handles(stateful_set: Registration) -> None:
    assert stateful_set.inputs["spec"]["template"]["spec"]["securityContext"] == {
        "runAsNonRoot": False,
        "runAsUser": 0,
        "runAsGroup": 0,
        "seccompProfile": {"type": "Unconfined"},
    }


def test_its_resources(container: dict[str, Any]) -> None:
    assert container["resources"] == {
        "requests": {"cpu": "40m", "memory": "64Mi"},
        "limits": {"cpu": "1", "memory": "256Mi"},
    }


def test_its_service_leads_to_it_once_it_serves(run: ProgramRun, stateful_set: Registration) -> None:
    service = run.find(SERVICE, "nfs-service")

    assert service.inputs["spec"]["selector"] == {"app.kubernetes.io/name": "nfs"}
    assert service.inputs["spec"]["ports"] == [{"name": "nfs", "port": 2049, "targetPort": "nfs"}]
    assert stateful_set.urn in service.dependencies


def test_nothing_else_comes_into_its_namespace(run: ProgramRun) -> None:
    policy = run.find("kubernetes:networking.k8s.io/v1:NetworkPolicy", "nfs").inputs

    assert policy["metadata"]["namespace"] == "ha-counter-nfs"
    assert policy["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": 2049}]}],
    }


def test_another_size() -> None:
    run = run_program(full_config() | {"snapshotStorage": "9Gi", "snapshotStorageClass": "fast", "namespace": "try"})
    stateful_set = run.find(STATEFUL_SET, "nfs").inputs

    [claim] = stateful_set["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"] == {"requests": {"storage": "9Gi"}}
    assert claim["spec"]["storageClassName"] == "fast"
    assert stateful_set["metadata"]["namespace"] == "try-nfs"


def test_without_need_there_is_none(without_server: ProgramRun) -> None:
    assert [resource.name for resource in without_server.resources if "nfs" in resource.name] == []


def test_the_server_s_configuration_has_the_same_port_and_path(run: ProgramRun) -> None:
    config = (ROOT / "app/nfs/ganesha.conf").read_text()
    volume = run.find("kubernetes:core/v1:PersistentVolume", "snapshots").inputs["spec"]["nfs"]

    assert f"Pseudo = {volume['path']};" in config
    assert "NFS_Port = 2049;" in config


def test_clients_become_the_user_of_the_images(run: ProgramRun) -> None:
    config = (ROOT / "app/nfs/ganesha.conf").read_text()
    backup = run.find("kubernetes:apps/v1:Deployment", "etcd-backup").inputs["spec"]["template"]["spec"]

    assert "Squash = All_Squash;" in config
    assert f"Anonymous_Uid = {backup['securityContext']['runAsUser']:.0f};" in config
