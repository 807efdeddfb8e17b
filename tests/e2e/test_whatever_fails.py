"""Exact, whatever fails: fifty clients increment while one part after the other is killed or hangs."""

import time
from collections.abc import Callable
from functools import partial

from tests.e2e import faults
from tests.e2e.load import History, incrementing
from tests.e2e.system import System, eventually

# Seconds. Longer than the lease by which a replica owns its shard, so that others fold it.
PAUSE = 20.0

# Seconds for which the clients go on after each fault.
CALM = 3.0


def test_no_fault_costs_or_adds_an_increment(system: System) -> None:
    before = system.count()
    with incrementing(system, clients=50, keyed=10) as history:
        eventually("the first increments", lambda: len(history.values) > 200)
        for name, fault in FAULTS.items():
            begin = time.monotonic()
            fault(system)
            least = len(history.values) + 200
            eventually(f"increments after: {name}", partial(_has_told, history, least))
            time.sleep(CALM)  # so that what is slow to fail would be seen as this fault's
            print(f"{name}: {history.longest_gap(begin, time.monotonic()):.1f} s at most without an answer")
    system.wait_until_whole()
    history.settle(system)
    history.check_exact(before, system.count())
    print(_told(history, system.count() - before))
    eventually(
        "a shard for each replica and no more", lambda: len(_keys(system, "c/s/")) == 3 == len(_keys(system, "o/"))
    )
    assert _keys_without_lease(system) == {"c/base", *_keys(system, "c/s/")}


def _kill_leader(system: System) -> None:
    faults.kill(system, faults.leader(system))


def _stop_member(system: System) -> None:
    with faults.stopped(system, faults.follower(system)):
        time.sleep(15)


def _kill_replica(system: System) -> None:
    faults.kill(system, system.pods("counter")[0])


def _pause_replica(system: System) -> None:
    with faults.stopped(system, system.pods("counter")[0]):
        time.sleep(PAUSE)


FAULTS: dict[str, Callable[[System], None]] = {
    "the leader of etcd is killed": _kill_leader,
    "a member of etcd hangs for 15 s": _stop_member,
    "a replica is killed": _kill_replica,
    "a replica hangs for longer than its lease": _pause_replica,
}


def _has_told(history: History, least: int) -> bool:
    return len(history.values) > least


def _told(history: History, counted: int) -> str:
    without = f"{history.unacknowledged} without an answer and without a key"
    return f"{counted} counted, {len(history.values)} told ({history.keyed} with a key), {without}"


def _keys(system: System, prefix: str) -> list[str]:
    return system.kubectl("exec", "etcd-0", "--", "etcdctl", "get", "--prefix", prefix, "--keys-only").split()


def _keys_without_lease(system: System) -> set[str]:
    read = "for prefix in c/ i/ o/ r/; do etcdctl get $prefix --prefix --write-out=fields; done"
    command = f"{read} | grep -E '^\"(Key|Lease)\"'"
    lines = system.kubectl("exec", "etcd-0", "--", "sh", "-c", command).splitlines()
    values = [line.partition(" : ")[2].strip('"') for line in lines]
    return {key for key, lease in zip(values[::2], values[1::2], strict=True) if lease == "0"}
