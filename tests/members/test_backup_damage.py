"""Files on the volume that are damaged, or put in by hand: never chosen, but the next good one is, and it is said."""

import logging
import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from backup.service import Backup
from backup.views import SnapshotView
from tests.members.backing_up import Writer, complete, flip, restore_file, says, take
from tests.members.cluster import Cluster, wait_until
from tests.members.conftest import StartBackup, StartCluster


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return tmp_path / "volume"


def three_snapshots(cluster: Cluster, backup: Backup) -> list[SnapshotView]:
    complete(backup)
    snapshots = []
    with closing(Writer(cluster.endpoints)) as writer:
        for _ in range(3):
            writer.goes_on(30)
            snapshots.append(take(backup))
    # The log as well has all by then: whichever of them is chosen, it leads to the same count.
    complete(backup, cluster.revision())
    return snapshots


def test_damaged_files_are_passed_over(
    start_cluster: StartCluster, start_backup: StartBackup, volume: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    oldest, middle, newest = three_snapshots(cluster, backup)
    with closing(Writer(cluster.endpoints, 10_000)) as writer:
        writer.goes_on()
    complete(backup, cluster.revision())
    count = restore_file(backup).count
    flip(volume / f"{newest.name}.db")
    chosen = restore_file(backup)
    assert (chosen.source, chosen.count) == (middle.name, count)
    assert says(backup, newest.name, "sha256")()
    os.truncate(volume / f"{middle.name}.db", 4096)
    chosen = restore_file(backup)
    assert (chosen.source, chosen.count) == (oldest.name, count)
    wait_until(says(backup, middle.name, "4096 bytes"), "it is said")
    os.truncate(volume / f"{newest.name}.db", 0)
    wait_until(says(backup, newest.name, "0 bytes"), "it is said")
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    for name in (middle.name, newest.name):
        assert any("passed over" in line and name in line for line in told)
    good = take(backup)
    assert restore_file(backup).source == good.name


def test_files_of_two_snapshots_are_swapped(
    start_cluster: StartCluster, start_backup: StartBackup, volume: Path
) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    oldest, middle, newest = three_snapshots(cluster, backup)
    count = restore_file(backup).count
    one, other, aside = volume / f"{middle.name}.db", volume / f"{newest.name}.db", volume / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    chosen = restore_file(backup)
    assert (chosen.source, chosen.count) == (oldest.name, count)
    for name in (middle.name, newest.name):
        wait_until(says(backup, name), f"{name} is passed over")


def test_after_a_start_a_damaged_snapshot_is_not_followed(
    start_cluster: StartCluster, start_backup: StartBackup, volume: Path
) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    _, middle, newest = three_snapshots(cluster, backup)
    backup.close()
    flip(volume / f"{newest.name}.db")
    (volume / f"{middle.name}.json").write_text("{}")
    again = start_backup(cluster.endpoints)
    complete(again)
    assert restore_file(again).source not in (middle.name, newest.name)
    assert says(again, newest.name, "sha256")()
    assert says(again, middle.name, "checksum")()


def test_another_clusters_files_are_put_in(
    start_cluster: StartCluster, start_backup: StartBackup, volume: Path, tmp_path: Path, programs: Path
) -> None:
    with closing(Cluster(made(tmp_path / "foreign"), programs)) as foreign:
        foreign.start()
        (tmp_path / "elsewhere" / "volume").mkdir(parents=True)
        elsewhere = start_backup(foreign.endpoints, tmp_path / "elsewhere")
        complete(elsewhere)
        with closing(Writer(foreign.endpoints, 10**6)) as writer:
            writer.goes_on(300)
            strange = take(elsewhere)
            writer.goes_on()
        elsewhere.close()
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        writer.goes_on()
        own = take(backup)
    for path in (tmp_path / "elsewhere" / "volume").glob("*-*"):
        shutil.copy(path, volume)
    wait_until(says(backup, strange.name, "never was"), "the snapshot is passed over")
    wait_until(says(backup, "log-", f"{strange.cluster:016x}", "never was"), "the log is passed over")
    assert restore_file(backup).source == own.name
    backup.close()
    again = start_backup(cluster.endpoints)
    complete(again, cluster.revision())
    file = restore_file(again)
    assert file.source == own.name
    assert file.count < 10**6


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
