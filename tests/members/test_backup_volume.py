"""The volume is full, fails or hangs for a while: that is told, memory stays bounded, and the log goes on by itself."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from backup.errors import SnapshotError
from backup.service import Backup
from tests.members.backing_up import Writer, complete, logged, restore_file, take
from tests.members.cluster import wait_until
from tests.members.conftest import StartBackup, StartCluster

_MOST_PENDING = 2000


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backup.log.MOST_PENDING", _MOST_PENDING)


@pytest.mark.parametrize(("call", "code"), [("write", errno.ENOSPC), ("fdatasync", errno.EIO)])
def test_writes_fail(
    start_cluster: StartCluster, start_backup: StartBackup, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        take(backup)
        writer.goes_on()
        with monkeypatch.context() as patch:
            patch.setattr(f"backup.log_file.os.{call}", failing(code))
            wait_until(lambda: os.strerror(code) in (backup.overview().log.problem or ""), "the problem is told")
            writer.goes_on(300)
            assert pending(backup) < 2 * _MOST_PENDING
        goes_on(backup, writer)


def test_it_hangs(start_cluster: StartCluster, start_backup: StartBackup, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        take(backup)
        writer.goes_on()
        with hanging(monkeypatch, "fdatasync"):
            wait_until(lambda: "has not taken" in (backup.overview().log.problem or ""), "the problem is told")
            assert (backup.overview().log.lag_seconds or 0) > 2
            writer.goes_on(300)
            assert 0 < pending(backup) < 2 * _MOST_PENDING
        goes_on(backup, writer)


def test_it_is_full_for_snapshots(
    start_cluster: StartCluster, start_backup: StartBackup, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        take(backup)
        with monkeypatch.context() as patch:
            patch.setattr("backup.files.HashedFile.write", failing(errno.ENOSPC))
            with pytest.raises(SnapshotError, match="No space left"):
                backup.take("request")
            writer.goes_on()
            logged(backup, writer)
        goes_on(backup, writer)


def failing(code: int) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@contextmanager
def hanging(monkeypatch: pytest.MonkeyPatch, call: str) -> Iterator[None]:
    """A call waits until the block ends."""
    go_on = threading.Event()
    usual = getattr(os, call)

    def hang(*arguments: object) -> object:
        go_on.wait()
        return usual(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(f"backup.log_file.os.{call}", hang)
        try:
            yield
        finally:
            go_on.set()


def pending(backup: Backup) -> int:
    writer = backup._log.writer
    return writer.pending_bytes if writer else 0


def goes_on(backup: Backup, writer: Writer) -> None:
    """By itself, and without a gap: no other snapshot was needed."""
    told = logged(backup, writer)
    assert backup.overview().log.problem is None
    assert restore_file(backup).count >= told
    take(backup)
    assert backup.overview().passed_over == ()
    assert not [found for found in backup.overview().snapshots if found.reason == "log"]
