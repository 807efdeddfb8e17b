"""Where images are built and where the nodes get them from: a Docker engine and a registry of the cluster's own."""

import socket
from pathlib import Path

import docker
import yaml

from local import cgroups, files, host
from local import daemons as running
from local.daemons import Daemon
from local.errors import LocalError
from local.layout import Layout

# Folders that the engine has no option for, each of them the cluster's own.
PRIVATE_FOLDERS = {
    Path("/opt/containerd"): "opt",
    Path("/run/containerd"): "containers",
    Path("/run/docker"): "plugins",
    Path("/run/runc"): "builds",  # BuildKit's, by which Pulumi builds
}

# What it makes nevertheless: a key that names it.
FILES_OUTSIDE = (Path("/etc/docker/key.json"),)


def daemons(layout: Layout) -> list[Daemon]:
    return [_registry(layout), _engine(layout)]


def require_port(layout: Layout) -> None:
    """Raises LocalError if somebody else listens where the registry is to."""
    port = layout.registry_port
    ours = cgroups.processes(running.group(layout, "registry"))  # one of a run that was killed may have no record
    if not ours and _listens(port):
        raise LocalError(
            f"port {port} of this machine is taken, and the registry of cluster {layout.name!r} needs it; "
            f"`ss -ltnp 'sport = :{port}'` shows by whom"
        )


def engine(layout: Layout) -> docker.DockerClient:
    """A client of the cluster's Docker engine."""
    return docker.DockerClient(base_url=f"unix://{layout.docker_socket}", timeout=600)


def _registry(layout: Layout) -> Daemon:
    config = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(layout.cache / "registry")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{layout.registry_port}"},
    }
    text = yaml.safe_dump(config)
    file = layout.state / "registry.yaml"
    files.write(file, text)
    command = ("docker-registry", "serve", str(file))
    return Daemon("registry", command, ready=lambda: _listens(layout.registry_port), configuration=text)


def _engine(layout: Layout) -> Daemon:
    run = layout.run / "docker"
    config = layout.state / "docker.json"
    files.write(config, "{}")
    folders = {shared: layout.run / "docker-private" / own for shared, own in PRIVATE_FOLDERS.items()}
    script = "; ".join(["set -e", *host.in_private(folders), 'exec "$@"'])
    command = (
        # A mount namespace of its own: what the engine leaves mounted goes with it.
        *("unshare", "--mount", "sh", "-c", script, "sh"),
        "dockerd",
        f"--host=unix://{layout.docker_socket}",
        f"--data-root={layout.cache / 'docker'}",
        f"--exec-root={run}",
        f"--pidfile={run}.pid",
        f"--config-file={config}",  # not the one of another engine on this machine
        # Containers that build images join the nodes' bridge, for which this machine forwards already.
        f"--bridge={layout.bridge}",
        f"--fixed-cidr={layout.build_network}",
        "--iptables=false",
        "--ip6tables=false",
        f"--cgroup-parent=/{layout.cgroup}/builds",
        "--log-level=warn",
    )
    return Daemon("dockerd", command, ready=lambda: _engine_answers(layout))


def _engine_answers(layout: Layout) -> bool:
    if not layout.docker_socket.exists():
        return False
    try:
        return bool(engine(layout).ping())
    except docker.errors.DockerException:
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
