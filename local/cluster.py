"""The local cluster as a whole: brought up in steps that can be repeated, and taken down without a trace."""

import contextlib
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from local import (
    addons,
    binaries,
    certificates,
    cgroups,
    control_plane,
    daemons,
    host,
    images,
    localhost,
    locks,
    network,
    node,
    packages,
    registry,
    room,
)
from local.errors import LocalError
from local.kube import Kube
from local.layout import Layout, cache_root, find_or_claim, locked, release
from local.nfs import placement
from local.steps import Report, Steps

PACKAGES = "packages"
PROGRAMS = "Kubernetes, etcd and CoreDNS (built)"
PYTHON = "Python base image (Debian packages)"
NETWORK = "network and certificates"
CONTROL_PLANE = "control plane"
IMAGES = "Docker engine, registry, base images"
NODES = "nodes"
ADDONS = "DNS and storage"
PROCESSES = "daemons and pods"
FILES = "files and volumes"


def require_linux_root() -> None:
    """Raises LocalError where a local cluster can't be made."""
    advice = "use a cluster that you have: `make up CONTEXT=name` (kind and minikube run on any machine)"
    if sys.platform != "linux":
        raise LocalError(f"a local cluster needs Linux, this is {sys.platform}; {advice}")
    if os.geteuid() != 0:
        raise LocalError(f"a local cluster needs root (it makes network namespaces); use sudo, or {advice}")


def reserved(name: str, console: Console) -> contextlib.AbstractContextManager[None]:
    """The cluster for this command alone. Where another command has it, say so and wait."""
    require_linux_root()
    return locked(name, console)


def build(console: Console) -> None:
    """Build what takes long and can be used by every cluster: the programs and the Python base image.

    Raises LocalError that names what failed and its log.
    """
    require_linux_root()
    room.require(cache_root())
    steps = Steps([PACKAGES, PROGRAMS, PYTHON], console)
    with room.blamed(cache_root()), steps.shown():
        _build(steps, console)


def up(name: str, console: Console, size: int | None = None) -> Layout:
    """Bring the cluster up, or what is missing of it. A new one has three nodes, or as many as `size` says.

    Raises LocalError that names what failed and its log.
    """
    require_linux_root()
    placement.require_fuse()
    layout = find_or_claim(name, size)
    room.require(cache_root(), layout.state)
    steps = Steps([PACKAGES, PROGRAMS, PYTHON, NETWORK, CONTROL_PLANE, IMAGES, NODES, ADDONS], console)
    with room.blamed(cache_root(), layout.state, layout.run), steps.shown():
        built = _build(steps, console)
        with steps.step(NETWORK):
            certificates.create(layout)
            host.prepare(layout, [*node.PRIVATE_FOLDERS, *registry.PRIVATE_FOLDERS, *registry.FILES_OUTSIDE])
            network.up(layout)
        with ThreadPoolExecutor() as beside:
            pending = [
                beside.submit(_control_plane, layout, built, steps),
                beside.submit(_images, layout, built, steps),
            ]
            for future in pending:
                future.result()
        with steps.step(NODES) as report:
            _nodes(layout, built, report)
        with steps.step(ADDONS):
            kube = Kube(layout.name, layout.kubeconfig)
            addons.apply(layout, kube)
            addons.wait_until_ready(layout, kube)
    return layout


def down(layout: Layout, console: Console) -> None:
    """Stop all of the cluster. Its objects and volumes stay on disk, and `up` goes on with them."""
    require_linux_root()
    steps = Steps([PROCESSES, NETWORK], console)
    with steps.shown():
        _stop(layout, steps)


def destroy(layout: Layout, console: Console) -> None:
    """Stop all of the cluster and remove it with its volumes, but for what is in the cache."""
    require_linux_root()
    steps = Steps([PROCESSES, NETWORK, FILES], console)
    with steps.shown():
        _stop(layout, steps)
        with steps.step(FILES):
            release(layout)


def _stop(layout: Layout, steps: Steps) -> None:
    with steps.step(PROCESSES):
        for graceful in ("dockerd", "registry", "etcd"):
            daemons.stop(layout, graceful)
        cgroups.kill(layout.cgroup)
        cgroups.remove(layout.cgroup)
        shutil.rmtree(layout.run, ignore_errors=True)
    with steps.step(NETWORK):
        if layout.serves_localhost:
            localhost.clean_up(binaries.folder())
        network.down(layout)
        host.restore(layout)


@dataclass(frozen=True)
class DaemonStatus:
    """What `status` shows of one daemon. Memory in bytes."""

    name: str
    pid: int | None
    memory: int
    log: Path


def status(layout: Layout) -> list[DaemonStatus]:
    return [
        DaemonStatus(
            name,
            daemons.main_process(layout, name),
            cgroups.memory(daemons.group(layout, name)),
            daemons.log_file(layout, name),
        )
        for name in daemons.recorded(layout)
    ]


def memory(layout: Layout) -> int:
    """Bytes that the whole cluster holds, pods included."""
    return cgroups.memory(layout.cgroup)


def _build(steps: Steps, console: Console) -> Path:
    # Clusters of any name share what is built.
    with locks.held(cache_root() / "build.lock", console):
        return _build_alone(steps)


def _build_alone(steps: Steps) -> Path:
    logs = cache_root() / "logs"
    with steps.step(PACKAGES) as report:
        lacking = packages.missing()
        report(f"installing {', '.join(lacking)}" if lacking else "")
        packages.install(lacking, logs / "packages.log")

    def programs() -> Path:
        with steps.step(PROGRAMS) as report:
            return binaries.build(logs / "build.log", report)

    def python() -> None:
        with steps.step(PYTHON):
            images.build_python_root(logs / "python-base.log")

    # The one computes, the other mostly waits for the network.
    with ThreadPoolExecutor() as beside:
        built, root = beside.submit(programs), beside.submit(python)
        root.result()
        return built.result()


def _control_plane(layout: Layout, built: Path, steps: Steps) -> None:
    with steps.step(CONTROL_PLANE) as report:
        for daemon in control_plane.daemons(layout, built):
            report(daemon.name)
            daemons.ensure(layout, daemon)


def _images(layout: Layout, built: Path, steps: Steps) -> None:
    with steps.step(IMAGES) as report:
        registry.require_port(layout)
        for daemon in registry.daemons(layout):
            report(daemon.name)
            daemons.ensure(layout, daemon)
        images.provide(layout, registry.engine(layout), images.base_images(built), report)


def _nodes(layout: Layout, built: Path, report: Report) -> None:
    for number, machine in enumerate(layout.nodes, start=1):
        report(f"{number} of {layout.size}")
        node.start(layout, machine, built)
    if layout.serves_localhost:
        report("127.0.0.1")
        daemons.ensure(layout, localhost.proxy(layout, built))
