"""Snapshots while all is well, and what happens to increments while it is not."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chaos import processes
from chaos.clients import incrementing
from chaos.faults import followers, leader
from chaos.history import History
from chaos.system import Pod, System, eventually
from local.backup_answers import Overview, Snapshot
from local.backup_service import BackupService
from local.errors import LocalError
from local.kube import Kube
from tests.e2e.conftest import CLUSTER
from tests.e2e.loss import last_told
from tests.e2e.system import make, uids

NFS_NAMESPACE = "ha-counter-nfs"

# Seconds that a stop may take longer because backup does not answer.
MOST_WAIT = 8.0


@pytest.fixture
def backup(system: System) -> BackupService:
    return BackupService(Kube(system.layout.name, system.layout.kubeconfig), system.namespace)


def overview(backup: BackupService) -> Overview:
    """What backup says, once it says something: its pod may just have been replaced."""

    def look() -> Overview | None:
        try:
            return backup.overview()
        except LocalError:
            return None

    return eventually("an answer of backup", look)


def catches_up(backup: BackupService) -> None:
    """Wait until the log is complete up to a moment ago."""
    eventually("no lag", lambda: (lag := overview(backup).log.lag_seconds) is not None and lag < 2)


def names(backup: BackupService) -> set[str]:
    return {snapshot.name for snapshot in overview(backup).snapshots}


def new_ones(backup: BackupService, before: set[str], reason: str) -> list[Snapshot]:
    return [found for found in overview(backup).snapshots if found.name not in before and found.reason == reason]


def delete(system: System, pod: Pod) -> None:
    """Delete a member as Kubernetes does, and wait until it is back."""
    system.kubectl("delete", "pod", pod["metadata"]["name"])
    eventually("another pod", lambda: pod["metadata"]["uid"] not in uids(system.ready_pods("etcd")))
    system.wait_until_whole()


def test_a_deleted_leader_leaves_a_snapshot_and_a_follower_none(system: System, backup: BackupService) -> None:
    before = names(backup)
    with incrementing(system, clients=10) as history:
        eventually("increments", lambda: history.told > 200)
        acknowledged = last_told(history.answers)
        delete(system, eventually("a leader", lambda: leader(system)))
        [left] = new_ones(backup, before, "stop")
        assert left.count >= acknowledged
        assert backup.wait_until_proven(left).proven == "yes"

        before = names(backup)
        delete(system, followers(system)[0])
    assert new_ones(backup, before, "stop") == []


def test_without_backup_a_leader_ends_in_time(system: System) -> None:
    system.kubectl("scale", "deployment", "etcd-backup", "--replicas=0")
    try:
        eventually("no backup", lambda: not system.pods("etcd-backup"))
        assert seconds_to_end(system, eventually("a leader", lambda: leader(system))) < MOST_WAIT + 5
    finally:
        system.kubectl("scale", "deployment", "etcd-backup", "--replicas=1")
        eventually("backup", lambda: system.ready_pods("etcd-backup"))


def seconds_to_end(system: System, pod: Pod) -> float:
    """How long a pod takes from being told to end until it has."""
    began = time.monotonic()
    system.kubectl("delete", "pod", pod["metadata"]["name"])
    return time.monotonic() - began


def test_increments_go_on_while_the_nfs_server_hangs_and_snapshots_after_it(
    system: System, backup: BackupService
) -> None:
    before = system.count()
    with incrementing(system, clients=10) as history:
        eventually("increments", lambda: history.told > 200)
        with hanging_nfs_server(system):
            eventually("a lag", lambda: (overview(backup).log.lag_seconds or 0) > 2)
            told = history.told
            eventually("increments meanwhile", lambda: history.told > told + 200)
            assert seconds_to_end(system, eventually("a leader", lambda: leader(system))) < MOST_WAIT + 5
        catches_up(backup)
    system.wait_until_whole()
    assert errors(history) == []
    assert history.problems(before, system.count()) == []
    assert "yes" in make("snapshot", CLUSTER)


@contextmanager
def hanging_nfs_server(system: System) -> Iterator[None]:
    nfs = System(system.layout, system.port, NFS_NAMESPACE)
    with processes.stopped(nfs, *nfs.pods("nfs")):
        yield


def errors(history: History) -> list[object]:
    return [answer for answer in history.answers if answer.value is None]


def test_a_killed_nfs_server_comes_back_with_what_it_had(system: System, backup: BackupService) -> None:
    listed = names(backup)
    nfs = System(system.layout, system.port, NFS_NAMESPACE)
    [server] = nfs.ready_pods("nfs")
    nfs.kubectl("delete", "pod", server["metadata"]["name"], "--grace-period=0", "--force")
    eventually(
        "another server", lambda: server["metadata"]["uid"] not in uids(ready := nfs.ready_pods("nfs")) and ready
    )
    catches_up(backup)
    assert listed <= names(backup)
    assert "yes" in make("snapshot", CLUSTER)


def test_in_the_pod_for_those_who_have_only_kubectl(system: System) -> None:
    inside = ("exec", "deployment/etcd-backup", "--", "python", "-m", "backup")
    system.kubectl(*inside, "snapshot")
    listed = system.kubectl(*inside, "snapshots")
    assert re.search(r"(?m)^snapshot-\S+ .* request .* yes ", listed)
    told = system.kubectl(*inside, "restore-file", "latest")
    assert "kubectl patch configmap etcd-cluster" in told
