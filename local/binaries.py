"""Kubernetes, etcd, CoreDNS and the small helpers of the cluster, built from the Go module in `toolchain/`."""

import re
from pathlib import Path

from local import go_module
from local.errors import LocalError
from local.go_module import GoModule, Progress

MODULE = Path(__file__).parent / "toolchain"
PROGRAMS = (
    "./kubernetes",
    "./coredns",
    "./pause",
    "./provisioner",
    "./etcd",
    "go.etcd.io/etcd/etcdctl/v3",
    "go.etcd.io/etcd/etcdutl/v3",
)
KUBERNETES_NAMES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
)


def kubernetes_version() -> str:
    return module_version("k8s.io/kubernetes")


def module_version(module: str) -> str:
    """The version of a module that the toolchain's go.mod requires, such as v1.34.4."""
    match = re.search(rf"^\s*{re.escape(module)} (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        raise LocalError(f"{MODULE / 'go.mod'}: no line that requires {module}")
    return match.group(1)


def folder() -> Path:
    """Where the built programs are; the name says what they were built from."""
    return go_module.folder(_toolchain())


def build(log: Path, progress: Progress) -> Path:
    """The folder with all programs, built unless they are there: seven minutes on two cores the first time.

    Only one at a time may build. Raises LocalError that names the log.
    """
    return go_module.build(_toolchain(), log, progress)


def _toolchain() -> GoModule:
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".")
    stamp = "k8s.io/component-base/version"
    return GoModule(
        name="binaries",
        source=MODULE,
        programs=PROGRAMS,
        linker_flags=f"-s -w -X {stamp}.gitVersion={version} -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}",
        links=dict.fromkeys(KUBERNETES_NAMES, "kubernetes"),
    )
