"""Where a local cluster keeps its things: names, folders, addresses and ports, all derived from its name."""

import contextlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from rich.console import Console

from local import files, locks
from local.errors import LocalError

STATE_ROOT = Path("/var/lib/ha-counter")
RUN_ROOT = Path("/run/ha-counter")
LOCK_ROOT = Path("/run/lock/ha-counter")
DEFAULT_NAME = "ha-counter"
DEFAULT_SIZE = 3
MAX_SIZE = 9
MAX_CLUSTERS = 16
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")

# Clusters lie side by side in 10.201.0.0/16, 10.202.0.0/16, ... of which nothing is seen outside this machine.
FIRST_SECOND_OCTET = 201
FIRST_REGISTRY_PORT = 5001

_REMOVED = ".removed"  # ends the names of folders that nobody wants any more; no cluster's name has a dot


def cache_root() -> Path:
    """The folder for what is built once and used by every cluster. It outlives `down`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ha-counter"


def user_state_root() -> Path:
    """The folder for what a user's deployments must remember, whatever cluster they went to."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "ha-counter"


@dataclass(frozen=True)
class Node:
    """One machine of the cluster, played by a network namespace and a mount namespace."""

    name: str
    netns: str
    veth: str
    address: IPv4Address
    pod_network: IPv4Network
    folder: Path
    run: Path


@dataclass(frozen=True)
class Layout:
    """A cluster's name, its number on this machine, and how many nodes it has; the rest follows."""

    name: str
    index: int
    size: int = DEFAULT_SIZE

    @property
    def state(self) -> Path:
        """What lives as long as the cluster: API objects, volumes, logs."""
        return STATE_ROOT / self.name

    @property
    def run(self) -> Path:
        """What lives as long as the processes: sockets and records of what was started."""
        return RUN_ROOT / self.name

    @property
    def cache(self) -> Path:
        """Image layers and pushed images. They make the next `up` fast, so `down` keeps them."""
        return cache_root() / "clusters" / self.name

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def volumes(self) -> Path:
        return self.state / "volumes"

    @property
    def kubeconfig(self) -> Path:
        return self.pki / "admin.kubeconfig"

    @property
    def cgroup(self) -> str:
        """Below which every process of the cluster runs, relative to the root of each hierarchy."""
        return f"ha-counter/{self.name}"

    @property
    def network(self) -> IPv4Network:
        return IPv4Network(f"10.{FIRST_SECOND_OCTET + self.index}.0.0/16")

    @property
    def service_network(self) -> IPv4Network:
        return IPv4Network((int(self.network.network_address) + (128 << 8), 20))

    @property
    def build_network(self) -> IPv4Network:
        """Addresses for the containers that build images; they share the nodes' bridge."""
        return IPv4Network((int(self._host(128)), 25))

    @property
    def bridge(self) -> str:
        return f"hac{self.index}"

    @property
    def gateway(self) -> IPv4Address:
        """This machine, as the cluster sees it."""
        return self._host(1)

    @property
    def control_plane(self) -> Node:
        return self._node("control-plane", host=2, pods=0)

    @property
    def nodes(self) -> list[Node]:
        return [self._node(f"node{n}", host=10 + n, pods=n) for n in range(1, self.size + 1)]

    @property
    def api_server(self) -> str:
        return f"https://{self.control_plane.address}:6443"

    @property
    def dns_address(self) -> IPv4Address:
        return self.service_network[10]

    @property
    def registry_port(self) -> int:
        return FIRST_REGISTRY_PORT + self.index

    @property
    def registry(self) -> str:
        """The registry's name in image references, as this machine reaches it."""
        return f"localhost:{self.registry_port}"

    @property
    def docker_socket(self) -> Path:
        return self.run / "docker.sock"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which clients reach the cluster and its Docker engine."""
        return {"KUBECONFIG": str(self.kubeconfig), "DOCKER_HOST": f"unix://{self.docker_socket}"}

    @property
    def serves_localhost(self) -> bool:
        """Whether 127.0.0.1:NODEPORT of this machine leads into this cluster: only one cluster can have it."""
        return self.index == 0

    def _host(self, number: int) -> IPv4Address:
        return self.network[number]

    def _node(self, name: str, host: int, pods: int) -> Node:
        return Node(
            name=name,
            netns=f"{self.name}-{name}",
            veth=f"{self.bridge}-{host}",
            address=self._host(host),
            pod_network=IPv4Network((int(self.network.network_address) + (pods << 8), 24)),
            folder=self.state / name,
            run=self.run / name,
        )


def find(name: str) -> Layout | None:
    """The layout of a cluster that exists on this machine, or None."""
    if not NAME.fullmatch(name):
        return None
    try:
        record = json.loads((STATE_ROOT / name / "cluster.json").read_text())
        return Layout(name, record["index"], record["size"])
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None


def find_or_claim(name: str, size: int | None = None) -> Layout:
    """The layout of the cluster, which gets the lowest free number, and that many nodes, if it is not there yet.

    Raises LocalError when the name can't be a cluster's, when there are too many clusters, and when the cluster is
    there with another number of nodes.
    """
    if not NAME.fullmatch(name):
        raise LocalError(f"cluster name {name!r}: up to 40 lower-case letters, digits and inner dashes are allowed")
    with clusters_locked():
        if existing := find(name):
            if size not in (None, existing.size):
                raise LocalError(f"cluster {name!r} has {existing.size} nodes, not {size}; destroy it first")
            return existing
        _remove_leftovers()
        taken = {other.index for other in _all()}
        free = [index for index in range(MAX_CLUSTERS) if index not in taken]
        if not free:
            raise LocalError(f"cluster {name!r}: there are {MAX_CLUSTERS} clusters already; take one down first")
        layout = Layout(name, free[0], size or DEFAULT_SIZE)
        files.write(layout.state / "cluster.json", json.dumps({"index": layout.index, "size": layout.size}))
        return layout


def release(layout: Layout) -> None:
    """Remove the cluster's folders and give its number back."""
    with clusters_locked():
        _remove_leftovers()
        shutil.rmtree(layout.run, ignore_errors=True)
        # All at once, so that half of a cluster is never taken for one.
        layout.state.rename(layout.state.with_name(f"{layout.name}{_REMOVED}"))
        _remove_leftovers()
        if not _all():
            with contextlib.suppress(OSError):  # not empty: somebody else's
                layout.state.parent.rmdir()


def remove_leftovers() -> None:
    """Remove what is left of clusters whose removal was cut off."""
    with clusters_locked():
        _remove_leftovers()


def _remove_leftovers() -> None:
    for folder in STATE_ROOT.glob(f"*{_REMOVED}"):
        shutil.rmtree(folder)


def _all() -> list[Layout]:
    return [layout for folder in STATE_ROOT.glob("*") if (layout := find(folder.name))]


def clusters_locked() -> contextlib.AbstractContextManager[None]:
    """One command at a time looks at what all clusters share, and changes it. It does not take long."""
    return locks.held(LOCK_ROOT / "clusters.lock", Console(quiet=True))


def locked(name: str, console: Console) -> contextlib.AbstractContextManager[None]:
    """One command at a time changes a cluster. Where another one does, say which and wait."""
    return locks.held(LOCK_ROOT / "clusters" / f"{name}.lock", console)
