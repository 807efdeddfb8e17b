"""Kubernetes' Pod Security Standard `restricted`: the namespace demands it, and every pod but the NFS server keeps it.

Source of the rules: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.program_run import ProgramRun

VOLUME_KINDS = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
GOOD_CONTAINER: dict[str, Any] = {
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
}
GOOD_POD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [GOOD_CONTAINER],
}


def violations(pod: dict[str, Any]) -> set[str]:
    """The rules that a pod spec breaks, by the name of the field."""
    containers = [container for kind in ("containers", "initContainers") for container in pod.get(kind, [])]
    return {*_pod_violations(pod), *(rule for each in containers for rule in _container_violations(pod, each))}


def _pod_violations(pod: dict[str, Any]) -> Iterator[str]:
    yield from (field for field in ("hostNetwork", "hostPID", "hostIPC") if pod.get(field))
    if any(volume.keys() - {"name"} - VOLUME_KINDS for volume in pod.get("volumes", [])):
        yield "volumes"


def _container_violations(pod: dict[str, Any], container: dict[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    effective = {**pod.get("securityContext", {}), **own}
    capabilities = own.get("capabilities", {})
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if own.get("privileged"):
        yield "privileged"
    if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities"
    if effective.get("runAsNonRoot") is not True:
        yield "runAsNonRoot"
    if effective.get("runAsUser") == 0:
        yield "runAsUser"
    if effective.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "hostPort"


@pytest.mark.parametrize(("name", "standard"), [("namespace", "restricted"), ("nfs-namespace", "privileged")])
def test_a_namespace_demands_a_standard(run: ProgramRun, name: str, standard: str) -> None:
    labels = run.find("kubernetes:core/v1:Namespace", name).inputs["metadata"]["labels"]

    assert labels == {
        "pod-security.kubernetes.io/enforce": standard,
        "pod-security.kubernetes.io/warn": standard,
        "pod-security.kubernetes.io/audit": standard,
    }


def pods(run: ProgramRun, namespace: str) -> dict[str, dict[str, Any]]:
    """The pods of each workload in a namespace."""
    return {
        resource.name: resource.inputs["spec"]["template"]["spec"]
        for resource in run.resources
        if "template" in resource.inputs.get("spec", {}) and resource.inputs["metadata"]["namespace"] == namespace
    }


def test_every_pod_keeps_it(run: ProgramRun) -> None:
    assert {name: violations(pod) for name, pod in pods(run, "ha-counter").items()} == {
        "etcd": set(),
        "etcd-controller": set(),
        "counter-deployment": set(),
        "etcd-backup": set(),
    }


def test_the_nfs_server_alone_breaks_it_in_what_it_needs(run: ProgramRun) -> None:
    assert {name: violations(pod) for name, pod in pods(run, "ha-counter-nfs").items()} == {
        "nfs": {"capabilities", "runAsNonRoot", "runAsUser", "seccompProfile"}
    }


def test_a_good_pod_breaks_no_rule() -> None:
    assert violations(GOOD_POD) == set()


@pytest.mark.parametrize(
    ("rule", "pod"),
    [
        ("hostNetwork", GOOD_POD | {"hostNetwork": True}),
        ("volumes", GOOD_POD | {"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}),
        ("runAsNonRoot", GOOD_POD | {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}),
        ("seccompProfile", GOOD_POD | {"securityContext": {"runAsNonRoot": True}}),
        ("runAsUser", GOOD_POD | {"securityContext": {**GOOD_POD["securityContext"], "runAsUser": 0}}),
        ("hostPort", GOOD_POD | {"containers": [GOOD_CONTAINER | {"ports": [{"hostPort": 80}]}]}),
        ("capabilities", GOOD_POD | {"initContainers": [{"securityContext": {"allowPrivilegeEscalation": False}}]}),
        (
            "allowPrivilegeEscalation",
            GOOD_POD | {"containers": [{"securityContext": {"capabilities": {"drop": ["ALL"]}}}]},
        ),
    ],
)
def test_a_bad_pod_is_found_out(rule: str, pod: dict[str, Any]) -> None:
    assert violations(pod) == {rule}
