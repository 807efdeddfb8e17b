"""Backup against real members: what it takes restores, and what it logs is all that there was."""

from contextlib import closing
from pathlib import Path

from tests.members.backing_up import Writer, complete, logged, restore_file, started_from, take
from tests.members.conftest import StartBackup, StartCluster


def test_a_snapshot_is_proven_and_the_log_goes_on(
    start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path
) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        writer.goes_on()
        first = take(backup)
        writer.goes_on()
        told = logged(backup, writer)
        file = restore_file(backup)
        assert file.count >= told > first.count
        writer.goes_on()  # in another file of the log
        second = take(backup)
        writer.goes_on()
        told = logged(backup, writer)
        latest = restore_file(backup)
    assert latest.count >= told > second.count
    assert latest.source == second.name
    assert restore_file(backup, first.name).count == first.count
    with started_from(tmp_path / "volume" / f"{latest.name}.db", tmp_path / "etcd") as etcd:
        assert etcd.member.count() == (latest.count, latest.revision)
        assert etcd.member.epoch() == 2
    assert len(list((tmp_path / "volume").glob("log-*"))) >= 2
    assert backup.overview().passed_over == ()
    assert backup.overview().log.problem is None


def test_a_snapshot_of_members_that_are_idle_is_proven_after_they_forgot_all_that_was(
    start_cluster: StartCluster, start_backup: StartBackup
) -> None:
    """Members that compact do it at their newest revision, if nothing is written: there they know two hashes."""
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        writer.goes_on()
    take(backup)
    cluster.control("compaction", str(cluster.revision()), "--physical")
    assert take(backup).count == writer.told
    assert backup.overview().log.problem is None
