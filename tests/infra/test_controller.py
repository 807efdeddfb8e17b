from typing import Any

import pytest

from controller.settings import VARIABLES
from tests.infra.program_run import SERVICE, ProgramRun, Registration, run_program
from tests.infra.stack_config import full_config

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
STATEFUL_SET = "kubernetes:apps/v1:StatefulSet"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
ACCOUNT = "kubernetes:core/v1:ServiceAccount"
ROLE = "kubernetes:rbac.authorization.k8s.io/v1:Role"
ROLE_BINDING = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"


@pytest.fixture
def deployment(run: ProgramRun) -> Registration:
    return run.find(DEPLOYMENT, "etcd-controller")


@pytest.fixture
def pod(deployment: Registration) -> dict[str, Any]:
    return dict(deployment.inputs["spec"]["template"]["spec"])


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    [only] = pod["containers"]
    return dict(only)


def variables(run: ProgramRun) -> list[dict[str, Any]]:
    [container] = run.find(DEPLOYMENT, "etcd-controller").inputs["spec"]["template"]["spec"]["containers"]
    return list(container["env"])


def test_there_is_one_at_a_time(deployment: Registration) -> None:
    assert deployment.inputs["spec"]["replicas"] == 1
    assert deployment.inputs["spec"]["strategy"] == {"type": "Recreate"}


def test_it_is_told_who_it_is_where_backup_is_and_how_much_to_log(run: ProgramRun) -> None:
    assert variables(run) == [
        {"name": "MY_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "MY_POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "BACKUP_URL", "value": "http://etcd-backup:8080"},
        {"name": "PORT", "value": "8080"},
        {"name": "LOG_LEVEL", "value": "info"},
    ]
    assert run.outputs["backupUrl"] == "http://etcd-backup:8080"


def test_these_are_the_variables_that_it_knows(run: ProgramRun) -> None:
    assert {variable["name"] for variable in variables(run)} == {variable.name for variable in VARIABLES}


def test_without_backup_it_is_told_so(without_backup: ProgramRun) -> None:
    assert {"name": "BACKUP_URL", "value": ""} in variables(without_backup)


def test_it_mounts_nothing_that_could_hang(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert "volumes" not in pod
    assert "volumeMounts" not in container


def test_its_probes_ask_neither_etcd_nor_kubernetes(container: dict[str, Any]) -> None:
    assert container["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["livenessProbe"]["tcpSocket"] == {"port": "http"}
    assert container["livenessProbe"]["periodSeconds"] * container["livenessProbe"]["failureThreshold"] >= 60


def test_a_dead_node_is_waited_for_half_a_minute(pod: dict[str, Any]) -> None:
    assert pod["tolerations"] == [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
        for key in ("not-ready", "unreachable")
    ]


def test_its_resources(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert pod["terminationGracePeriodSeconds"] == 10
    assert container["resources"] == {
        "requests": {"cpu": "20m", "memory": "128Mi"},
        "limits": {"cpu": "1", "memory": "256Mi"},
    }


def test_another_size() -> None:
    changes = {"controllerLogLevel": "debug", "controllerCpuLimit": "2", "controllerMemoryRequest": "64Mi"}
    run = run_program(full_config() | changes)

    [container] = run.find(DEPLOYMENT, "etcd-controller").inputs["spec"]["template"]["spec"]["containers"]
    assert {"name": "LOG_LEVEL", "value": "debug"} in container["env"]
    assert container["resources"]["limits"]["cpu"] == "2"
    assert container["resources"]["requests"]["memory"] == "64Mi"


def test_another_number_of_members_does_not_start_it_anew(deployment: Registration) -> None:
    more = run_program(full_config() | {"etcdMembers": "7"}).find(DEPLOYMENT, "etcd-controller")

    assert more.inputs == deployment.inputs


def test_its_service(run: ProgramRun, container: dict[str, Any]) -> None:
    spec = run.find(SERVICE, "etcd-controller").inputs["spec"]

    assert spec["selector"] == {"app.kubernetes.io/name": "etcd-controller"}
    assert spec["ports"] == [{"name": "http", "port": 8080, "targetPort": "http"}]
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]


# Who waits for whom.


@pytest.mark.parametrize("name", ["run", "without_backup"])
def test_members_start_after_it_since_they_ask_it(name: str, request: pytest.FixtureRequest) -> None:
    run: ProgramRun = request.getfixturevalue(name)

    service = run.find(SERVICE, "etcd-controller")
    assert service.urn in run.find(STATEFUL_SET, "etcd").dependencies
    assert run.find(DEPLOYMENT, "etcd-controller").urn in service.dependencies


def test_it_waits_for_no_member(run: ProgramRun, deployment: Registration) -> None:
    assert run.find(STATEFUL_SET, "etcd").urn not in run.all_dependencies(deployment)


def test_when_it_starts_all_that_it_needs_of_kubernetes_is_there(run: ProgramRun, deployment: Registration) -> None:
    needed = [
        run.find(ACCOUNT, "etcd-controller"),
        run.find(ROLE, "etcd-controller"),
        run.find(ROLE_BINDING, "etcd-controller"),
        run.find(CONFIG_MAP, "etcd-cluster"),
        run.find(CONFIG_MAP, "etcd-config"),
    ]

    assert {resource.urn for resource in needed} <= run.all_dependencies(deployment)


# What it may do.


def test_its_role_names_each_object_and_each_verb(run: ProgramRun) -> None:
    def rule(group: str, resource: str, names: list[str], verbs: list[str]) -> dict[str, list[str]]:
        return {"apiGroups": [group], "resources": [resource], "resourceNames": names, "verbs": verbs}

    pods = ["etcd-0", "etcd-1", "etcd-2", "etcd-3", "etcd-4", "etcd-5", "etcd-6"]
    assert run.find(ROLE, "etcd-controller").inputs["rules"] == [
        rule("", "configmaps", ["etcd-cluster"], ["get", "update"]),
        rule("", "configmaps", ["etcd-config"], ["get"]),
        rule("", "pods", pods, ["get", "delete"]),
        rule("", "persistentvolumeclaims", [f"data-{pod}" for pod in pods], ["get", "delete"]),
        rule("apps", "statefulsets", ["etcd"], ["get"]),
        rule("apps", "statefulsets/scale", ["etcd"], ["patch"]),
    ]


def test_nobody_else_may_do_anything(run: ProgramRun) -> None:
    rights = [each for each in run.resources if each.type.startswith("kubernetes:rbac.") or each.type == ACCOUNT]
    binding = run.find(ROLE_BINDING, "etcd-controller").inputs

    assert {(each.type, each.name) for each in rights} == {
        (type_, "etcd-controller") for type_ in (ACCOUNT, ROLE, ROLE_BINDING)
    }
    assert {each.inputs["metadata"]["namespace"] for each in rights} == {"ha-counter"}
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": "etcd-controller",
    }
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "etcd-controller", "namespace": "ha-counter"}]


def test_its_pods_have_this_account(run: ProgramRun, pod: dict[str, Any]) -> None:
    assert pod["serviceAccountName"] == run.find(ACCOUNT, "etcd-controller").inputs["metadata"]["name"]
    assert pod["automountServiceAccountToken"] is True


def test_the_claims_are_the_members(run: ProgramRun) -> None:
    members = run.find(STATEFUL_SET, "etcd").inputs
    [template] = members["spec"]["volumeClaimTemplates"]

    [claims] = [
        rule["resourceNames"]
        for rule in run.find(ROLE, "etcd-controller").inputs["rules"]
        if rule["resources"] == ["persistentvolumeclaims"]
    ]
    assert claims == [f"{template['metadata']['name']}-{members['metadata']['name']}-{number}" for number in range(7)]
