from typing import Any

import pytest

from tests.infra.program_run import ProgramRun, Registration, run_program
from tests.infra.stack_config import full_config

DEPLOYMENT = "kubernetes:apps/v1:Deployment"


@pytest.fixture
def deployment(run: ProgramRun) -> Registration:
    return run.find(DEPLOYMENT, "counter-deployment")


@pytest.fixture
def container(deployment: Registration) -> dict[str, Any]:
    return dict(deployment.inputs["spec"]["template"]["spec"]["containers"][0])


def test_the_container_is_named_counter(container: dict[str, Any]) -> None:
    assert container["name"] == "counter"


def test_it_is_told_where_it_runs_where_etcd_is_and_how_much_to_log(container: dict[str, Any]) -> None:
    assert container["env"] == [
        {"name": "MY_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "MY_POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "MY_NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "MY_POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "ETCD_ENDPOINTS", "valueFrom": {"configMapKeyRef": {"name": "etcd-config", "key": "endpoints"}}},
        {"name": "DATABASE_ROOM", "value": str(1024**3 // 4 * 6 // 10)},
        {"name": "LOG_LEVEL", "value": "info"},
    ]


def test_it_is_ready_only_with_etcd_but_lives_without(container: dict[str, Any]) -> None:
    readiness, liveness = container["readinessProbe"], container["livenessProbe"]

    assert readiness["httpGet"] == {"path": "/healthz", "port": "http"}
    assert readiness["timeoutSeconds"] >= 3
    assert liveness["tcpSocket"] == {"port": "http"}
    assert [(port["name"], port["containerPort"]) for port in container["ports"]] == [
        ("http", 8080),
        ("peer", 8081),
    ]


def test_requests_stop_before_the_program_does(deployment: Registration, container: dict[str, Any]) -> None:
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert deployment.inputs["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 45


def test_an_update_is_never_a_pod_short(deployment: Registration) -> None:
    spec = deployment.inputs["spec"]

    assert spec["replicas"] == 3
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def test_its_resources(container: dict[str, Any]) -> None:
    assert container["resources"] == {
        "requests": {"cpu": "500m", "memory": "512Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }


def test_it_starts_after_etcd(run: ProgramRun, deployment: Registration) -> None:
    assert run.find("kubernetes:apps/v1:StatefulSet", "etcd").urn in deployment.dependencies


def test_a_change_of_the_endpoints_rolls_the_pods(deployment: Registration) -> None:
    def template(resource: Registration) -> object:
        return resource.inputs["spec"]["template"]

    more = run_program(full_config() | {"etcdMembers": "5"}).find(DEPLOYMENT, "counter-deployment")

    assert template(more) != template(deployment)


def test_the_service_answers_on_every_node(run: ProgramRun) -> None:
    spec = run.find("kubernetes:core/v1:Service", "svc-counter").inputs["spec"]

    assert spec["type"] == "NodePort"
    assert spec["selector"] == {"app.kubernetes.io/name": "counter"}
    assert spec["ports"] == [{"name": "http", "port": 8080, "targetPort": "http", "nodePort": 30180}]


def test_another_size() -> None:
    run = run_program(full_config() | {"nodePort": "31000", "counterReplicas": "5"})

    assert run.find(DEPLOYMENT, "counter-deployment").inputs["spec"]["replicas"] == 5
    assert run.outputs["nodeport"] == 31000
