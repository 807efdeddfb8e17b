"""The log at work, on members that a test plays."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from backup import log as log_module
from backup.chain import Chain
from backup.live import Live, LiveReader
from backup.log import Log
from backup.log_file import Complete, Lease, LogWriter, Revision, paths, read
from backup.metrics import Metrics
from etcd.endpoints import Endpoint
from etcd.errors import EtcdUnavailableError
from etcd.member import Status
from etcd.watch import Change, Compacted, WatchEndedError
from tests.app.backup.samples import CLUSTER, put

ENDPOINTS = [Endpoint("etcd-0", 2379), Endpoint("etcd-1", 2379)]


class FakeCluster:
    """Members that all have the same revisions, and a quorum that knows the newest.

    Attributes:
        silent: Members whose watches send nothing.
        compacted: Watches from this revision on, or an older one, are refused.
    """

    def __init__(self) -> None:
        self.cluster = CLUSTER
        self.revision = 10
        self.leases: dict[int, int] = {}
        self.silent: set[str] = set()
        self.has_quorum = True
        self.compacted = 0
        self.watched: list[tuple[str, int]] = []
        self.latest: Live | None = None
        self._watches: list[FakeWatch] = []
        self._changes: list[Change] = []

    def grow(self, count: int = 1, lease: int = 0) -> None:
        """Have so many revisions more."""
        for _ in range(count):
            self.revision += 1
            change = Change(self.revision, [put(self.revision, lease=lease)])
            self._changes.append(change)
            for watch in self._watches:
                watch.send(change)

    def read(self) -> Live:
        if not self.has_quorum:
            raise EtcdUnavailableError("no leader")
        self.latest = Live(datetime.now(UTC), 1, 0, self.cluster, self.revision, self.revision)
        return self.latest

    def watch(self, channel: str, start: int) -> "FakeWatch":
        self.watched.append((channel, start))
        watch = FakeWatch(is_silent=channel in self.silent)
        if start <= self.compacted:
            watch.send(Compacted(self.compacted))
            watch.close()
        for change in self._changes:
            if change.revision >= start:
                watch.send(change)
        self._watches.append(watch)
        return watch

    def member(self, channel: str) -> "FakeMember":
        return FakeMember(self, channel)


class FakeMember:
    def __init__(self, cluster: FakeCluster, channel: str) -> None:
        self.channel = channel
        self._cluster = cluster

    def __enter__(self) -> "FakeMember":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def status(self, timeout: float) -> Status:
        assert timeout == log_module.CONNECT_TIMEOUT
        return Status(1, self._cluster.cluster, 1, self._cluster.revision, "3.6.16")

    def lease_seconds(self, lease: int) -> int:
        return self._cluster.leases.get(lease, 0)


class FakeWatch:
    def __init__(self, *, is_silent: bool) -> None:
        self._parts: queue.SimpleQueue[Change | Compacted | None] = queue.SimpleQueue()
        self._is_silent = is_silent

    def send(self, part: Change | Compacted) -> None:
        if not self._is_silent:
            self._parts.put(part)

    def close(self) -> None:
        self._parts.put(None)

    def __iter__(self) -> Iterator[Change | Compacted]:
        while (part := self._parts.get()) is not None:
            yield part
        raise WatchEndedError("CANCELLED")


class Begins:
    """Where new files begin: after 10, or if they are begun anew, after the newest revision."""

    def __init__(self) -> None:
        self.asked: list[bool] = []
        self.after: int | Exception = 10

    def __call__(self, live: Live, anew: bool) -> int:
        self.asked.append(anew)
        if isinstance(self.after, Exception):
            raise self.after
        return live.revision if anew else self.after


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    found = FakeCluster()
    monkeypatch.setattr(log_module, "connect_to", lambda endpoint: found.member(endpoint.host))
    monkeypatch.setattr(log_module, "Watch", found.watch)
    for name in ("FLUSH_INTERVAL", "COMPLETE_INTERVAL", "RETRY_INTERVAL", "_MOST_RETRY_INTERVAL"):
        monkeypatch.setattr(log_module, name, 0.01)
    monkeypatch.setattr(log_module, "PROGRESS_TIMEOUT", 0.5)
    return found


@pytest.fixture
def begins() -> Begins:
    return Begins()


@pytest.fixture
def log(cluster: FakeCluster, begins: Begins, tmp_path: Path) -> Iterator[Log]:
    found = Log(tmp_path, cast(LiveReader, cluster), ENDPOINTS, Metrics(), begins)
    with closing(found):
        found.start()
        yield found


def wait_until(holds: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.002)


def complete(log: Log, revision: int) -> Complete:
    wait_until(lambda: log.complete and log.complete.revision >= revision, f"complete to {revision}")
    assert log.complete is not None
    return log.complete


def revisions(folder: Path, after: int = 10) -> list[int]:
    """Of all files, without a gap."""
    return [record.revision for record in Chain(folder, CLUSTER, after).follow() if isinstance(record, Revision)]


def test_in_calm_it_is_complete(log: Log) -> None:
    first = complete(log, 10)
    assert first.count == 10
    wait_until(lambda: log.complete and log.complete.time > first.time, "a newer line")
    assert log.problem is None
    assert log.written_to(CLUSTER) == 10
    assert log.written_to(CLUSTER + 1) == 0


def test_all_that_comes_is_written(log: Log, cluster: FakeCluster, tmp_path: Path) -> None:
    complete(log, 10)
    cluster.grow(20)
    complete(log, 30)
    assert revisions(tmp_path) == list(range(11, 31))


def test_a_lease_is_written_before_what_has_it_and_once(log: Log, cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.leases[7] = 15
    complete(log, 10)
    cluster.grow(2, lease=7)
    cluster.grow(1, lease=8)  # that has ended already
    complete(log, 13)
    [path] = paths(tmp_path)
    found = [record for record, _ in read(path) if isinstance(record, Lease | Revision)]
    kinds = [record.id if isinstance(record, Lease) else record.revision for record in found]
    assert kinds == [7, 11, 12, 8, 13]
    assert [record.ttl for record in found if isinstance(record, Lease)] == [15, 60]


def test_a_silent_member_is_left_for_the_next(log: Log, cluster: FakeCluster, tmp_path: Path) -> None:
    complete(log, 10)
    watched = cluster.watched[-1][0]
    cluster.silent.add(watched)
    cluster._watches[-1]._is_silent = True
    cluster.grow(3)
    complete(log, 13)
    assert cluster.watched[-1][0] != watched
    assert cluster.watched[-1][1] == 11
    assert revisions(tmp_path) == [11, 12, 13]
    assert len(paths(tmp_path)) == 1


def test_without_a_quorum_it_is_not_complete(log: Log, cluster: FakeCluster) -> None:
    complete(log, 10)
    cluster.has_quorum = False
    wait_until(lambda: log.problem == "no quorum of etcd answers: no leader", "it is told")
    lost = datetime.now(UTC)
    time.sleep(0.05)
    # What was asked before may be written only now.
    assert log.complete is not None
    assert log.complete.time < lost
    cluster.has_quorum = True
    wait_until(lambda: log.problem is None, "it is well again")


def test_after_an_error_another_file_goes_on(
    log: Log, cluster: FakeCluster, begins: Begins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete(log, 10)
    cluster.grow(5)
    complete(log, 15)
    begins.after = 15
    with monkeypatch.context() as patch:
        patch.setattr("backup.log_file.os.write", lambda *_: 1)
        wait_until(lambda: "bytes were written" in (log.problem or ""), "it is told")
        cluster.grow(2)
    complete(log, 17)
    assert revisions(tmp_path) == list(range(11, 18))
    assert True not in begins.asked


def test_while_no_file_can_be_made_none_is_closed_twice(
    log: Log, cluster: FakeCluster, begins: Begins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may be another file's by then."""
    complete(log, 10)
    closed: list[int] = []
    close = LogWriter.close

    def closing_noted(writer: LogWriter) -> None:
        closed.append(id(writer))
        close(writer)

    monkeypatch.setattr(LogWriter, "close", closing_noted)
    begins.after = OSError("No space left on device")
    writer = log.writer
    log.begin_anew()
    wait_until(lambda: len(begins.asked) > 4, "it is tried again")
    assert log.problem == "No space left on device"
    begins.after = 10
    wait_until(lambda: log.writer is not writer and log.problem is None, "it goes on")
    assert closed.count(id(writer)) == 1
    cluster.grow()
    complete(log, 11)


def test_what_waits_for_a_volume_that_hangs_is_bounded(
    log: Log, cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "MOST_PENDING", 500)
    monkeypatch.setattr(log_module, "_SLOW_AFTER", 0.05)
    complete(log, 10)
    go_on = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr("backup.log_file.os.fdatasync", lambda _: go_on.wait(10))
        cluster.grow(100)
        wait_until(lambda: "has not taken" in (log.problem or ""), "it is told")
        assert log.writer is not None
        pending = log.writer.pending_bytes
        time.sleep(0.1)
        assert log.writer.pending_bytes == pending < 1000
        go_on.set()
    complete(log, 110)
    assert log.problem is None
    assert revisions(tmp_path) == list(range(11, 111))


def test_it_changes_files_where_one_ends(log: Log, cluster: FakeCluster, begins: Begins, tmp_path: Path) -> None:
    cluster.leases[7] = 15
    complete(log, 10)
    cluster.grow(3, lease=7)
    complete(log, 13)
    log.change_files()
    cluster.grow(3, lease=7)
    complete(log, 16)
    first, second = paths(tmp_path)
    assert log.writer is not None
    assert second == log.writer.path
    assert revisions(tmp_path) == list(range(11, 17))
    assert [record.revision for record, _ in read(second) if isinstance(record, Revision)] == [14, 15, 16]
    assert [record for record, _ in read(second) if isinstance(record, Lease)] == [Lease(7, 15)]
    assert first.exists()
    assert begins.asked == [False]
    assert len(cluster.watched) == 1


def test_what_etcd_has_compacted_is_left_out_and_the_log_begins_anew(
    log: Log, cluster: FakeCluster, begins: Begins, tmp_path: Path
) -> None:
    complete(log, 10)
    cluster.compacted = 15
    cluster.silent.add("etcd-0")
    cluster._watches[-1].close()
    cluster.revision = 20
    wait_until(lambda: True in begins.asked, "it begins anew")
    cluster.silent.clear()
    complete(log, 20)
    cluster.grow()
    complete(log, 21)
    assert revisions(tmp_path, after=20) == [21]


def test_too_far_behind_it_asks_where_to_begin(
    log: Log, cluster: FakeCluster, begins: Begins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "MOST_BEHIND", 5)
    complete(log, 10)
    cluster.silent.update(("etcd-0", "etcd-1"))
    cluster._watches[-1]._is_silent = True
    begins.after = 16
    cluster.grow(6)
    cluster.silent.clear()
    complete(log, 16)
    assert begins.asked == [False, False]


def test_another_cluster_has_another_file(log: Log, cluster: FakeCluster, tmp_path: Path) -> None:
    complete(log, 10)
    cluster.cluster = CLUSTER + 1
    wait_until(lambda: paths(tmp_path, CLUSTER + 1), "there is one")
    wait_until(lambda: log.written_to(CLUSTER + 1) == 10, "it is complete")
    assert log.written_to(CLUSTER) == 0
