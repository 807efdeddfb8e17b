"""All members and their data are lost while a writer counts: what the log has is restored, and a new epoch begins."""

import time
from contextlib import closing
from pathlib import Path

from backup.service import Backup
from backup.views import SnapshotView
from tests.members.backing_up import Writer, complete, logged, newest_proven, proven, restore_file, take, view
from tests.members.cluster import wait_until
from tests.members.conftest import StartBackup, StartCluster

# Seconds of increments that may be missing; the log is flushed every 0.2 s.
_LOST = 1.0

# Members that start all at once with data would wait 14 s for one another to compare it.
_AT_ONCE = ("--feature-gates=InitialCorruptCheck=false",)


def test_total_loss(start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path) -> None:
    cluster = start_cluster(*_AT_ONCE)
    backup = start_backup(cluster.endpoints)
    complete(backup)
    for epoch in (2, 3):  # and once more, from what was restored
        with closing(Writer(cluster.endpoints, _count(backup))) as writer:
            take(backup)
            writer.goes_on(300)
            logged(backup, writer)
            writer.goes_on()
            for member in cluster.members:
                member.kill()
            lost = time.monotonic()
        file = restore_file(backup)
        print(f"total loss: {writer.told - file.count} of {writer.told} increments are missing in epoch {epoch}")
        assert file.count >= writer.told_at(lost - _LOST)
        assert file.epoch == epoch
        assert file.bump == 1_000_000_000
        cluster.restore(tmp_path / "volume" / f"{file.name}.db", file.bump, f"epoch-{epoch}")
        cluster.start()
        first = proven(backup, first_of(backup, epoch).name)
        assert first.count == file.count
        began = view(backup, file.name)
        assert began.cluster != 0
        assert began.revision == file.revision + file.bump
        with closing(Writer(cluster.endpoints, file.count)) as writer:
            writer.goes_on()
            told = logged(backup, writer)
        assert restore_file(backup).count >= told
    assert backup.overview().passed_over == ()
    live = backup.overview().live
    assert live is not None
    assert live.epoch == 3


def test_without_backup_meanwhile(start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path) -> None:
    """The restore file is the new epoch's first state: the log goes on from it, without another snapshot."""
    cluster = start_cluster(*_AT_ONCE)
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        take(backup)
        writer.goes_on()
        logged(backup, writer)
    file = restore_file(backup)
    backup.close()
    for member in cluster.members:
        member.kill()
    cluster.restore(tmp_path / "volume" / f"{file.name}.db", file.bump, "epoch-2")
    cluster.start()
    with closing(Writer(cluster.endpoints, file.count)) as writer:
        writer.goes_on()
        again = start_backup(cluster.endpoints)
        complete(again, file.bump)
        writer.goes_on()
        wait_until(lambda: newest_proven(again).epoch == 2, "the restore file is a state of the new epoch")
        told = logged(again, writer)
        assert restore_file(again).count >= told
    assert again.overview().passed_over == ()


def test_a_cluster_that_says_no_epoch(start_cluster: StartCluster, start_backup: StartBackup) -> None:
    """Somebody started the members empty: backup does not take them for its own."""
    cluster = start_cluster(*_AT_ONCE)
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        writer.goes_on()
        taken = take(backup)
        told = logged(backup, writer)
    cluster.begin_empty("another")
    with closing(Writer(cluster.endpoints)) as writer:
        writer.goes_on()
        wait_until(lambda: "make restore" in (backup.overview().log.problem or ""), "backup says so")
        names = [found.name for found in backup.overview().snapshots]
        assert restore_file(backup).count >= told
        writer.goes_on()
    assert [found.name for found in backup.overview().snapshots][: len(names)] == names
    assert newest_proven(backup).name == taken.name


def first_of(backup: Backup, epoch: int) -> SnapshotView:
    """The snapshot that is taken because there is a new epoch, once it is."""

    def found() -> list[SnapshotView]:
        return [one for one in backup.overview().snapshots if one.reason == "epoch" and one.epoch == epoch]

    wait_until(lambda: bool(found()), f"a snapshot of epoch {epoch}")
    return found()[0]


def _count(backup: Backup) -> int:
    live = backup.overview().live
    return live.count if live else 0
