"""What the tests of backup share: a writer that counts, and what is waited for."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from etcd3.etcdrpc import PutRequest, RequestOp, TxnRequest  # type: ignore[import-untyped]

from backup.errors import SnapshotError
from backup.scratch import Scratch
from backup.service import Backup
from backup.settings import Settings
from backup.views import JobView, RestoreFileView, SnapshotView
from etcd import keys
from etcd.client import EtcdClient
from etcd.endpoints import Endpoint
from etcd.errors import EtcdUnavailableError
from tests.members.cluster import wait_until

# Seconds between two increments.
_PAUSE = 0.005


class Writer:
    """Counts, slowly enough to leave some time to others, and remembers what it was told.

    Attributes:
        told: The count that it was told last.
        history: When it was told which count, in seconds of the monotonic clock.
    """

    def __init__(self, endpoints: Sequence[Endpoint], first: int = 0) -> None:
        self.told = first
        self.history: list[tuple[float, int]] = []
        self._etcd = EtcdClient(endpoints)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def goes_on(self, increments: int = 50) -> None:
        """Wait until it has counted so many more."""
        told = self.told
        wait_until(lambda: self.told >= told + increments, "the writer counts")

    def told_at(self, when: float) -> int:
        """What it had been told at a time."""
        return max((count for at, count in self.history if at <= when), default=0)

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._etcd.close()

    def _count(self) -> None:
        while not self._stopping.is_set():
            try:
                put(self._etcd, keys.BASE, b"%d" % (self.told + 1))
            except EtcdUnavailableError:
                time.sleep(0.05)
                continue
            self.told += 1
            self.history.append((time.monotonic(), self.told))
            time.sleep(_PAUSE)


def put(etcd: EtcdClient, key: bytes, value: bytes, lease: int = 0) -> None:
    """Put a key, once."""
    request = PutRequest(key=key, value=value, lease=lease)
    etcd.transact(TxnRequest(success=[RequestOp(request_put=request)]))


@contextmanager
def kept_alive(etcd: EtcdClient, lease: int, interval: float = 0.3) -> Iterator[None]:
    """Keep a lease alive meanwhile."""
    stopping = threading.Event()

    def keep() -> None:
        while not stopping.wait(interval):
            etcd.keep_alive(lease)

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def settings(endpoints: Sequence[Endpoint], folder: Path, interval: int = 3600) -> Settings:
    """Of a backup whose volume and scratch folder are in a folder."""
    return Settings(
        etcd_endpoints=tuple(endpoints),
        pod="backup-1",
        snapshots=folder / "volume",
        scratch=folder / f"scratch-{random.randrange(10**6)}",
        snapshot_interval=interval,
        port=0,
        log_level="info",
    )


def view(backup: Backup, name: str) -> SnapshotView:
    return next(found for found in backup.overview().snapshots if found.name == name)


def proven(backup: Backup, name: str) -> SnapshotView:
    """The snapshot, once there is a verdict on it, which must be good."""
    wait_until(lambda: view(backup, name).proven != "pending", f"a verdict on {name}")
    assert view(backup, name).proven == "yes"
    return view(backup, name)


def take(backup: Backup) -> SnapshotView:
    """A new proven snapshot."""
    return proven(backup, backup.take("request").name)


def complete(backup: Backup, revision: int = 1) -> None:
    """Wait until the log is complete up to a revision."""
    loaded(backup)
    wait_until(lambda: backup.overview().log.complete_to >= revision, f"the log is complete to {revision}")


def loaded(backup: Backup) -> None:
    """Wait until it has read its volume."""

    def is_loaded() -> bool:
        try:
            return bool(backup.overview())
        except SnapshotError:
            return False

    wait_until(is_loaded, "it has read its volume")


def logged(backup: Backup, writer: Writer) -> int:
    """Wait until the log has what the writer has been told by now, and return that."""
    told = writer.told
    wait_until(
        lambda: max(_count_logged(found) for found in backup.overview().snapshots) >= told, f"the log has count {told}"
    )
    return told


def newest_proven(backup: Backup) -> SnapshotView:
    """Of what a cluster was."""
    states = [found for found in backup.overview().snapshots if found.proven == "yes" and found.cluster]
    return max(states, key=lambda found: (found.epoch, found.revision))


def restore_file(backup: Backup, snapshot: str = "latest") -> RestoreFileView:
    """A restore file, once it is made."""
    job = backup.begin_restore_file(snapshot)
    wait_until(lambda: _view_of(backup, job).state != "making", "a restore file")
    found = _view_of(backup, job)
    assert found.file is not None, found.error
    return found.file


def fails_to_make(backup: Backup, snapshot: str = "latest") -> str:
    """Why there is no restore file."""
    job = backup.begin_restore_file(snapshot)
    wait_until(lambda: _view_of(backup, job).state != "making", "a restore file")
    found = _view_of(backup, job)
    assert found.error is not None, found
    return found.error


@contextmanager
def started_from(file: Path, folder: Path, bump: int = 0) -> Iterator[Scratch]:
    """An etcd that a file was restored into."""
    scratch = Scratch(folder, file, bump)
    try:
        yield scratch
    finally:
        scratch.close()


def says(backup: Backup, *words: str) -> Callable[[], bool]:
    """Whether one sentence of what is passed over has all these words."""
    return lambda: any(all(word in sentence for word in words) for sentence in backup.overview().passed_over)


def flip(path: Path) -> None:
    """Change one byte in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def _count_logged(snapshot: SnapshotView) -> int:
    return int(snapshot.log.rpartition("(")[2].rstrip(")")) if snapshot.log else -1


def _view_of(backup: Backup, job: str) -> JobView:
    found = backup.restore_job(job)
    assert found is not None
    return found
