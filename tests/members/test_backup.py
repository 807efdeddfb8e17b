"""Backup against real members: what it takes restores, and what it logs is all that there was."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from etcd3.etcdrpc import PutRequest, RequestOp, TxnRequest  # type: ignore[import-untyped]

from backup.metrics import Metrics
from backup.service import Backup
from backup.settings import Settings
from backup.views import RestoreFileView, SnapshotView
from etcd.client import EtcdClient
from etcd.errors import EtcdUnavailableError
from tests.members.cluster import Cluster, wait_until
from tests.members.conftest import StartCluster

StartBackup = Callable[[Cluster], Backup]


@pytest.fixture
def start_backup(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StartBackup]:
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    (tmp_path / "volume").mkdir()
    with ExitStack() as stack:

        def start(cluster: Cluster) -> Backup:
            settings = Settings(
                etcd_endpoints=tuple(cluster.endpoints),
                pod="backup-1",
                snapshots=tmp_path / "volume",
                scratch=tmp_path / "scratch",
                snapshot_interval=3600,
                port=0,
                log_level="info",
            )
            return stack.enter_context(closing(Backup(settings, Metrics())))

        yield start


class Writer:
    """Counts as fast as one client can, and remembers what it was told."""

    def __init__(self, cluster: Cluster) -> None:
        self.told = 0
        self._etcd = EtcdClient(cluster.endpoints)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._etcd.close()

    def _count(self) -> None:
        number = 0
        while not self._stopping.is_set():
            put = RequestOp(request_put=PutRequest(key=b"c/base", value=str(number + 1).encode()))
            try:
                self._etcd.transact(TxnRequest(success=[put]))
            except EtcdUnavailableError:
                time.sleep(0.05)
                continue
            number += 1
            self.told = number


def proven(backup: Backup, name: str) -> SnapshotView:
    def settled() -> bool:
        return view(backup, name).proven != "pending"

    wait_until(settled, f"a verdict on {name}")
    return view(backup, name)


def view(backup: Backup, name: str) -> SnapshotView:
    return next(found for found in backup.overview().snapshots if found.name == name)


def restore_file(backup: Backup, snapshot: str = "latest") -> RestoreFileView:
    job = backup.begin_restore_file(snapshot)

    def is_over() -> bool:
        found = backup.restore_job(job)
        return found is not None and found.state != "making"

    wait_until(is_over, "a restore file")
    found = backup.restore_job(job)
    assert found is not None
    assert found.file is not None, found.error
    return found.file


def test_a_snapshot_is_proven_and_the_log_goes_on(start_cluster: StartCluster, start_backup: StartBackup) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster)
    wait_until(lambda: backup.overview().log.complete_to > 0, "the log is complete")
    with closing(Writer(cluster)) as writer:
        wait_until(lambda: writer.told > 100, "increments")
        taken = backup.take("request")
        assert proven(backup, taken.name).proven == "yes"
        wait_until(lambda: writer.told > taken.count + 200, "more increments")
        told = writer.told
        time.sleep(1.5)
        file = restore_file(backup)
        assert file.count >= told
        second = backup.take("request")
        assert proven(backup, second.name).proven == "yes"
    assert backup.overview().passed_over == ()
    assert backup.overview().log.problem is None
