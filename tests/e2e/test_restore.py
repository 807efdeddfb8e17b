"""The count outlives its volumes: restored by hand, it lacks at most a second of increments."""

import json
from pathlib import Path

import pytest

from chaos.clients import incrementing
from chaos.system import Pod, System, eventually
from local.errors import LocalError
from tests.e2e.conftest import CLUSTER
from tests.e2e.loss import MEMBERS, last_told, lose_all_volumes, seconds_lost
from tests.e2e.system import make

WAITING = [(True, False)] * len(MEMBERS)


def started_and_ready(pod: Pod) -> tuple[bool, bool]:
    """What its probes have found."""
    [container] = pod["status"].get("containerStatuses") or [{}]
    return container.get("started", False), container.get("ready", False)


def record(system: System) -> dict[str, str]:
    """What the ConfigMap `etcd-cluster` says."""
    found: dict[str, str] = json.loads(system.kubectl("get", "configmap", "etcd-cluster", "-o", "json")).get("data", {})
    return found


def log_of(system: System, member: str) -> str:
    """What a member's container has logged. Nothing as long as there is none."""
    try:
        return system.kubectl("logs", member)
    except LocalError:
        return ""


def restored_from(system: System) -> set[str]:
    """The sha256 of the files that the members were restored from."""
    logs = [log_of(system, member) for member in MEMBERS]
    return {log.partition("restored from ")[2].split(maxsplit=1)[0] for log in logs}


def test_all_volumes_are_lost_while_clients_increment(system: System) -> None:
    with incrementing(system, clients=20, keyed=4) as history:
        eventually("increments", lambda: history.told > 500)
        lose_all_volumes(system)
        eventually("members that wait", lambda: all("make restore" in log_of(system, name) for name in MEMBERS))
        # Their startup probe is answered, or the kubelet would start them anew after a while.
        eventually("members that live", lambda: [started_and_ready(pod) for pod in system.pods("etcd")] == WAITING)
    told, token = last_told(history.answers), record(system).get("token")

    printed = make("restore", CLUSTER, SNAPSHOT="latest", YES="1")
    system.wait_until_whole()

    count = system.count()
    assert f"count {count}" in printed
    assert seconds_lost(history.answers, count) <= 1.0, f"{told} was told, {count} are left"
    assert len(restored_from(system)) == 1
    after = record(system)
    assert after["token"] != token
    assert not {"restore", "bump"} & after.keys()
    with incrementing(system) as onward:
        eventually("increments after it", lambda: onward.told > 50)
    assert onward.problems(count, system.count()) == []


def test_a_restore_asks_first_and_says_both_counts(system: System) -> None:
    count = system.count()
    with pytest.raises(AssertionError) as refused:
        make("restore", CLUSTER, SNAPSHOT="latest")
    assert "YES=1" in str(refused.value)
    assert str(count) in str(refused.value)
    assert system.count() == count


def test_a_named_snapshot_and_a_file_of_ones_own(system: System, tmp_path: Path) -> None:
    """Back to what was exported, then forward again to what a snapshot has."""
    file = tmp_path / "count.db"
    exported = system.count()
    make("export", CLUSTER, FILE=str(file))
    for _ in range(5):
        system.get("/increment")
    make("snapshot", CLUSTER)
    listed = json.loads(make("snapshots", CLUSTER, FORMAT="json"))["snapshots"]
    [newest] = [found for found in listed if found["count"] == exported + 5 and found["reason"] == "request"]

    make("restore", CLUSTER, FILE=str(file), YES="1")
    system.wait_until_whole()
    assert system.count() == exported

    make("restore", CLUSTER, SNAPSHOT=newest["name"], YES="1")
    system.wait_until_whole()
    assert system.count() == exported + 5


def test_a_snapshot_that_there_is_not(system: System) -> None:
    del system
    with pytest.raises(AssertionError, match="snapshot-nobody-took") as refused:
        make("restore", CLUSTER, SNAPSHOT="snapshot-nobody-took", YES="1")
    assert "there are" in str(refused.value)
