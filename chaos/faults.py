"""The faults: what is put into the running system, and what clients may see of it at most."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from chaos import processes
from chaos.system import PATIENCE, Pod, System, eventually
from local.commands import run
from local.errors import LocalError
from local.layout import Node

# Seconds for which a rollout may take: every pod in turn.
ROLLOUT_PATIENCE = 3 * PATIENCE


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, or that is done to the system while it works.

    Attributes:
        name: What it is called on the command line.
        title: What it is called elsewhere.
        put_in: Does it, and returns when it is over.
        most_gap: Seconds for which no increment may get its value; None: as long as it takes.
        most_errors: How many requests may fail; None: any number.
        is_outage: Whether nothing can be counted while it lasts. Its gap begins when it is over.
    """

    name: str
    title: str
    put_in: Callable[[System], None]
    most_gap: float | None
    most_errors: int | None = None
    is_outage: bool = False


def leader(system: System) -> Pod | None:
    """The pod of the member that leads etcd now, if one does."""
    return next((pod for pod in system.ready_pods("etcd") if _leads(system, pod)), None)


def followers(system: System) -> list[Pod]:
    """The pods of the other members."""
    return [pod for pod in system.ready_pods("etcd") if not _leads(system, pod)]


def eldest(system: System) -> Pod | None:
    """The pod of the replica that has owned a shard for longest, and commits for all, if it is ready."""
    member = eventually("a member", lambda: next(iter(system.ready_pods("etcd")), None))["metadata"]["name"]
    owners = ("etcdctl", "get", "--prefix", "o/", "--sort-by=CREATE", "--order=ASCEND", "--print-value-only")
    addresses = system.kubectl("exec", member, "--", *owners).split()
    pods = {pod["status"]["podIP"]: pod for pod in system.ready_pods("counter")}
    return pods.get(addresses[0].rpartition(":")[0]) if addresses else None


def named(names: Sequence[str]) -> tuple[Fault, ...]:
    """The faults of these names. Raises LocalError for a name that none has."""
    known = {fault.name: fault for fault in FAULTS}
    if unknown := sorted(set(names) - set(known)):
        raise LocalError(f"faults {', '.join(map(repr, unknown))}: no such fault; there are {', '.join(known)}")
    return tuple(known[name] for name in names)


def _leads(system: System, pod: Pod) -> bool:
    name = pod["metadata"]["name"]
    [member] = json.loads(system.kubectl("exec", name, "--", "etcdctl", "endpoint", "status", "--write-out=json"))
    return bool(member["Status"]["leader"] == member["Status"]["header"]["member_id"])


def _kill_leader(system: System) -> None:
    _kill(system, eventually("a leader", lambda: leader(system)))


def _hang_member(system: System) -> None:
    with processes.stopped(system, followers(system)[0]):
        time.sleep(15)


def _lose_quorum(system: System) -> None:
    with processes.stopped(system, *followers(system)):
        time.sleep(10)


def _kill_replica(system: System) -> None:
    _kill(system, eventually("the eldest replica", lambda: eldest(system)))


def _hang_replica(system: System) -> None:
    """Longer than the lease by which a replica owns its shard, so that others fold it."""
    with processes.stopped(system, eventually("the eldest replica", lambda: eldest(system))):
        time.sleep(20)


def _roll_counter(system: System) -> None:
    _roll(system, "deployment/counter-deployment", "counter")


def _roll_etcd(system: System) -> None:
    _roll(system, "statefulset/etcd", "etcd")


def _cut_node(system: System) -> None:
    """The node of etcd's leader, which runs a replica, too."""
    pod = eventually("a leader", lambda: leader(system))
    name = pod["spec"]["nodeName"]
    with _cut_off(next(node for node in system.layout.nodes if node.name == name)):
        time.sleep(15)
    heard = _last_heard_of(system, name)
    eventually(f"{name} heard of again", lambda: _last_heard_of(system, name) != heard)


FAULTS = (
    Fault("leader-killed", "etcd's leader is killed", _kill_leader, most_gap=3),
    Fault("member-hangs", "a member hangs for 15 s", _hang_member, most_gap=2),
    # An election, and then a replica's readiness probe, which comes every 3 s.
    Fault("quorum-lost", "two members hang for 10 s", _lose_quorum, most_gap=5, is_outage=True),
    Fault("replica-killed", "a replica is killed", _kill_replica, most_gap=1),
    Fault("replica-hangs", "a replica hangs for 20 s", _hang_replica, most_gap=1),
    Fault("counter-rolled", "the counter is rolled", _roll_counter, most_gap=1, most_errors=0),
    Fault("node-cut", "a node is cut off for 15 s", _cut_node, most_gap=None),
    Fault("etcd-rolled", "etcd is rolled", _roll_etcd, most_gap=1),
)


def _kill(system: System, pod: Pod) -> None:
    """Kill a pod's processes, and wait until they are started again: it looks well until that is noticed."""
    name = pod["metadata"]["name"]
    before = _restarts(system, name)
    processes.kill(system, pod)
    eventually(f"{name} started again", lambda: _restarts(system, name) > before)


def _restarts(system: System, pod: str) -> int:
    return int(system.kubectl("get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].restartCount}"))


def _roll(system: System, workload: str, app: str) -> None:
    """Replace all pods, and wait until the last of the old ones has left."""
    system.kubectl("rollout", "restart", workload)
    system.kubectl("rollout", "status", workload, f"--timeout={ROLLOUT_PATIENCE:.0f}s")
    leaving = "jsonpath={.items[*].metadata.deletionTimestamp}"
    pods = ("get", "pods", "-l", f"app.kubernetes.io/name={app}", "-o", leaving)
    eventually(f"no old pod of {workload}", lambda: not system.kubectl(*pods))


@contextmanager
def _cut_off(node: Node) -> Iterator[None]:
    """A node whose cable is unplugged while the block runs."""
    try:
        run(["ip", "link", "set", node.veth, "down"])
        yield
    finally:
        run(["ip", "link", "set", node.veth, "up"])


def _last_heard_of(system: System, node: str) -> str:
    """When the node's kubelet last said that it is well. It does so every ten seconds."""
    lease = ("get", "lease", node, "--namespace", "kube-node-lease", "-o", "jsonpath={.spec.renewTime}")
    return system.kubectl(*lease)
