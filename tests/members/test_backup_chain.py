"""The log is damaged, forged or far behind: that is noticed and said, and another snapshot begins it anew."""

import threading
from contextlib import closing
from pathlib import Path

import pytest
from etcd3.etcdrpc.kv_pb2 import Event, KeyValue  # type: ignore[import-untyped]

from backup.log_file import LogWriter, paths, scan
from backup.service import Backup
from etcd import keys
from tests.members.backing_up import (
    Writer,
    complete,
    fails_to_make,
    flip,
    loaded,
    logged,
    newest_proven,
    restore_file,
    says,
    started_from,
    take,
)
from tests.members.cluster import wait_until
from tests.members.conftest import StartBackup, StartCluster


def test_a_record_is_damaged(start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path) -> None:
    """The log is written again from there on, as long as etcd knows it."""
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        take(backup)
        writer.goes_on(200)
        logged(backup, writer)
        backup.close()
        flip(max(paths(tmp_path / "volume"), key=lambda path: path.stat().st_size))
        again = start_backup(cluster.endpoints)
        loaded(again)
        comes_right(again, writer)
    assert not [found for found in again.overview().snapshots if found.reason == "log"]


def test_a_revision_is_forged(
    start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It has the right number and checksum, but not what the revision was."""
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        first = take(backup)
        writer.goes_on()
        logged(backup, writer)
        backup.close()
        end = max(scan(path).last for path in paths(tmp_path / "volume"))
        forge(tmp_path / "volume", first.cluster, end, {end + 1: b"1"})
        again = start_backup(cluster.endpoints)
        loaded(again)
        complete(again, end + 1)
        writer.goes_on()
        second = take(again)
        assert any("do not make the same" in proof for proof in proofs(tmp_path / "volume"))
        assert any("is broken" in record.getMessage() for record in caplog.records)
        comes_right(again, writer, second.revision)


def test_a_revision_that_can_not_be(start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path) -> None:
    """It is on a lease that there never was, so no scratch etcd takes it."""
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        first = take(backup)
        writer.goes_on()
        logged(backup, writer)
        backup.close()
    volume = tmp_path / "volume"
    end = max(scan(path).last for path in paths(volume))
    forged = forge(volume, first.cluster, end, {end + 1: b"1"}, lease=4711)
    again = start_backup(cluster.endpoints)
    loaded(again)
    wait_until(lambda: newest_proven(again).reason == "log", "another snapshot is proven")
    with closing(Writer(cluster.endpoints, 10_000)) as writer:
        comes_right(again, writer, first.revision)
    assert not forged.exists()


def test_nothing_is_removed_while_the_members_are_gone(
    start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path
) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        writer.goes_on()  # so that no snapshot is as new as the next one
        first = take(backup)
        writer.goes_on()
        logged(backup, writer)
    for member in cluster.members:
        member.kill()
    backup.close()
    volume = tmp_path / "volume"
    end = max(scan(path).last for path in paths(volume))
    forge(volume, first.cluster, end, {end + 1: b"1"}, lease=4711)
    before = paths(volume)
    again = start_backup(cluster.endpoints)
    loaded(again)
    wait_until(says(again, "the log after", first.name, "broken", str(end + 1)), "it is said")
    assert first.name in fails_to_make(again)
    assert restore_file(again, first.name).count == first.count
    assert paths(volume) == before


def test_the_log_is_removed_by_somebody(start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        first = take(backup)
        writer.goes_on()
        logged(backup, writer)
        for path in paths(tmp_path / "volume"):
            path.unlink()
        comes_right(backup, writer, first.revision)


def test_far_behind(start_cluster: StartCluster, start_backup: StartBackup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backup.log.MOST_BEHIND", 50)
    monkeypatch.setattr("backup.service.MOST_BEHIND", 50)
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        first = take(backup)
        writer.goes_on()
        backup.close()
        writer.goes_on(100)
        again = start_backup(cluster.endpoints)
        loaded(again)
        wait_until(lambda: newest_proven(again).reason == "log", "a new snapshot is proven")
        comes_right(again, writer, first.revision)


def test_two_at_once(start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path) -> None:
    """As when a node is thought dead."""
    cluster = start_cluster()
    one, other = start_backup(cluster.endpoints), start_backup(cluster.endpoints)
    complete(one)
    complete(other)
    with closing(Writer(cluster.endpoints)) as writer:
        for _ in range(3):
            takers = [threading.Thread(target=take, args=(backup,)) for backup in (one, other)]
            for taker in takers:
                taker.start()
            writer.goes_on()
            for taker in takers:
                taker.join()
        writer.goes_on()
        for backup in (one, other):
            told = logged(backup, writer)
            assert restore_file(backup).count >= told
    wait_until(lambda: one.overview().passed_over == other.overview().passed_over == (), "nothing is passed over")
    all_restore(one, tmp_path)
    names = {found.name for found in one.overview().snapshots}
    wait_until(lambda: {found.name for found in other.overview().snapshots} == names, "both see the same")


def comes_right(backup: Backup, writer: Writer, revision: int = 0) -> None:
    """There is a proven snapshot after this revision, and the log goes on from it."""
    wait_until(lambda: newest_proven(backup).revision > revision, "another snapshot is proven")
    writer.goes_on()
    wait_until(lambda: backup.overview().passed_over == (), "nothing is broken any more")
    told = logged(backup, writer)
    assert restore_file(backup).count >= told
    take(backup)
    assert backup.overview().passed_over == ()


def all_restore(backup: Backup, folder: Path) -> None:
    """Whatever is listed as proven restores to the count that it is listed with."""
    for found in backup.overview().snapshots:
        if found.proven == "yes":
            with started_from(folder / "volume" / f"{found.name}.db", folder / "tried") as etcd:
                assert etcd.member.count()[0] == found.count


def forge(folder: Path, cluster: int, after: int, revisions: dict[int, bytes], lease: int = 0) -> Path:
    """Write a file of the log that says such counts."""
    writer = LogWriter(folder, cluster, 1, after, "forged")
    for revision, value in revisions.items():
        pair = KeyValue(key=keys.BASE, value=value, mod_revision=revision, lease=lease)
        writer.append_revision(revision, [Event(type=Event.PUT, kv=pair)])
    writer.flush()
    writer.close()
    return writer.path


def proofs(volume: Path) -> list[str]:
    """What was found when the snapshots were proven."""
    return [path.read_text() for path in volume.glob("snapshot-*.json")]
