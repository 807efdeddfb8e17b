from typing import Any

import pytest

from tests.infra.program_run import ProgramRun, Registration

NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"


def policy(run: ProgramRun, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = run.find(NETWORK_POLICY, name).inputs["spec"]
    return spec


def allowed(spec: dict[str, Any]) -> dict[str, list[str] | None]:
    """Workloads by the name of the port that they may reach; None: everybody."""
    return {
        port["port"]: [peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for peer in rule["from"]]
        if "from" in rule
        else None
        for rule in spec["ingress"]
        for port in rule["ports"]
    }


def port_names(workload: Registration) -> set[str]:
    [container] = workload.inputs["spec"]["template"]["spec"]["containers"]
    return {port["name"] for port in container["ports"]}


def test_nothing_comes_in_that_is_not_allowed(run: ProgramRun) -> None:
    spec = policy(run, "default-deny")

    assert spec == {"podSelector": {}, "policyTypes": ["Ingress"]}


def test_the_default_comes_last(run: ProgramRun) -> None:
    others = {run.find(NETWORK_POLICY, name).urn for name in ("etcd", "counter", "controller", "backup")}

    assert others <= run.find(NETWORK_POLICY, "default-deny").dependencies


def test_only_what_works_with_the_data_reaches_them_and_what_they_tell_their_peers(run: ProgramRun) -> None:
    assert allowed(policy(run, "etcd")) == {
        "client": ["counter", "etcd", "etcd-controller", "etcd-backup"],
        "peer": ["etcd", "etcd-controller"],
        "metrics": None,
    }


def test_only_members_reach_the_controller(run: ProgramRun) -> None:
    assert allowed(policy(run, "controller")) == {"http": ["etcd"]}


def test_only_members_and_the_controller_reach_backup(run: ProgramRun) -> None:
    assert allowed(policy(run, "backup")) == {"http": ["etcd", "etcd-controller"]}


def test_where_there_is_no_backup_nothing_is_said_of_it(without_backup: ProgramRun) -> None:
    policies = {resource.name for resource in without_backup.of_type(NETWORK_POLICY)}

    assert policies == {"etcd", "counter", "controller", "default-deny"}
    assert allowed(policy(without_backup, "etcd"))["client"] == ["counter", "etcd", "etcd-controller"]
    assert allowed(policy(without_backup, "controller")) == {"http": ["etcd"]}


def test_everybody_reaches_the_counters_and_only_counters_their_peers(run: ProgramRun) -> None:
    assert allowed(policy(run, "counter")) == {"http": None, "peer": ["counter"]}


@pytest.mark.parametrize(
    ("name", "type_", "workload"),
    [
        ("etcd", "kubernetes:apps/v1:StatefulSet", "etcd"),
        ("counter", "kubernetes:apps/v1:Deployment", "counter-deployment"),
        ("controller", "kubernetes:apps/v1:Deployment", "etcd-controller"),
        ("backup", "kubernetes:apps/v1:Deployment", "etcd-backup"),
    ],
)
def test_a_policy_speaks_of_the_pods_and_ports_that_there_are(
    run: ProgramRun, name: str, type_: str, workload: str
) -> None:
    registered, spec = run.find(type_, workload), policy(run, name)

    assert spec["podSelector"] == registered.inputs["spec"]["selector"]
    assert allowed(spec).keys() == port_names(registered)


def test_what_goes_out_is_free(run: ProgramRun) -> None:
    assert {tuple(resource.inputs["spec"]["policyTypes"]) for resource in run.of_type(NETWORK_POLICY)} == {("Ingress",)}
