"""The count outlives its volumes. Who asks for it goes back to a snapshot, a file of one's own, or nothing."""

import json
import time
from pathlib import Path

import pytest

from chaos.clients import incrementing
from chaos.faults import leader
from chaos.system import System, eventually
from tests.e2e.conftest import CLUSTER
from tests.e2e.loss import MEMBERS, last_told, lose_volumes, seconds_lost
from tests.e2e.system import make


def epoch(system: System) -> int:
    """Which epoch of etcd the record says that it is."""
    found = json.loads(system.kubectl("get", "configmap", "etcd-cluster", "-o", "json")).get("data", {})
    return int(found["epoch"])


def test_all_volumes_are_lost_while_clients_increment(system: System) -> None:
    """They come back by themselves, and lack at most the log's last second."""
    before = epoch(system)
    with incrementing(system, clients=20, keyed=4) as history:
        eventually("increments", lambda: history.told > 500)
        lost = time.monotonic()
        lose_volumes(system, *MEMBERS)
        eventually("another epoch", lambda: epoch(system) == before + 1)
        before_it = list(history.answers)
        counted = history.told
        eventually("increments", lambda: history.told > counted)
        print(f"counts {time.monotonic() - lost:.1f} s after all volumes were lost")
    system.wait_until_whole()
    restored = min(told for answer in history.answers[len(before_it) :] if (told := answer.value) is not None) - 1
    assert seconds_lost(before_it, restored) <= 1.0, f"{last_told(before_it)} was told, {restored} are left"
    count = system.count()
    with incrementing(system) as onward:
        eventually("increments after it", lambda: onward.told > 50)
    assert onward.problems(count, system.count()) == []


@pytest.mark.parametrize("leads", [True, False], ids=["the leader's", "a follower's"])
def test_one_volume_is_lost_while_clients_increment(system: System, leads: bool) -> None:
    """Its member is replaced, and nobody notices."""
    before = system.count()
    led = eventually("a leader", lambda: leader(system))["metadata"]["name"]
    lost = led if leads else next(name for name in MEMBERS if name != led)
    with incrementing(system, clients=20, keyed=4) as history:
        eventually("increments", lambda: history.told > 200)
        uid = system.kubectl("get", "pod", lost, "-o", "jsonpath={.metadata.uid}")
        began = time.monotonic()
        lose_volumes(system, lost)
        eventually("another pod", lambda: uid not in [pod["metadata"]["uid"] for pod in system.pods("etcd")])
        eventually("three members ready", lambda: len(system.ready_pods("etcd")) == 3)
        print(f"{lost} is ready {time.monotonic() - began:.1f} s after its volume was lost")
        counted = history.told
        eventually("increments after it", lambda: history.told > counted + 50)
    assert history.problems(before, system.count()) == []


def test_a_member_that_a_person_says_is_gone_is_replaced(system: System) -> None:
    """With its pod and its volume, whatever they are; clients notice nothing."""
    before = system.count()
    volume = ("get", "pvc", "data-etcd-1", "-o", "jsonpath={.metadata.uid}")
    former = system.kubectl(*volume)
    with incrementing(system, clients=5, keyed=1) as history:
        eventually("increments", lambda: history.told > 100)
        make("replace-member", CLUSTER, N="1", YES="1")
        counted = history.told
        eventually("increments after it", lambda: history.told > counted + 50)
    assert system.kubectl(*volume) != former
    assert len(system.ready_pods("etcd")) == 3
    assert history.problems(before, system.count()) == []


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
    began = int(system.get("/fetch").headers["X-Count-Epoch"])
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
    assert int(system.get("/fetch").headers["X-Count-Epoch"]) == began + 2


def test_a_snapshot_that_there_is_not(system: System) -> None:
    del system
    with pytest.raises(AssertionError, match="snapshot-nobody-took") as refused:
        make("restore", CLUSTER, SNAPSHOT="snapshot-nobody-took", YES="1")
    assert "there are" in str(refused.value)
