"""The member that backup watches is cut off: the lag shows it, no snapshot is of it, the log goes on from another."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from backup.errors import SnapshotError
from backup.log_file import scan_folder
from backup.service import Backup
from tests.members.backing_up import Writer, complete, loaded, logged, restore_file, take
from tests.members.cluster import Cluster, Member, wait_until
from tests.members.conftest import StartBackup, StartCluster
from tests.members.switch import Switch


def test_all_others_are_stopped(start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    watched, others = parted(cluster)
    with closing(Writer(cluster.endpoints)) as writer:
        take(backup)
        writer.goes_on()
        with paused(others):
            wait_until(lambda: lag(backup) > 1.5, "the lag shows it")
            wait_until(lambda: backup.overview().log.problem is not None, "so does the problem")
            with pytest.raises(SnapshotError):
                backup.take("request")
        assert watched.process is not None
        cluster.wait_until_whole()
        writer.goes_on()
        told = logged(backup, writer)
        assert restore_file(backup).count >= told
    is_whole(backup, tmp_path / "volume")


def test_the_watched_one_is_stopped(start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    watched, _ = parted(cluster)
    with closing(Writer(cluster.endpoints)) as writer:
        take(backup)
        writer.goes_on()
        with paused([watched]):
            began = time.monotonic()
            writer.goes_on()
            logged(backup, writer)
            assert time.monotonic() - began < 20
            assert lag(backup) < 4
            assert backup.take("request").count >= writer.told - 1000
        logged(backup, writer)
    is_whole(backup, tmp_path / "volume")


def test_the_watched_ones_peers_do_not_reach_it(programs: Path, start_backup: StartBackup, tmp_path: Path) -> None:
    """Clients do."""
    with with_switches(tmp_path, programs) as (cluster, switches):
        backup = start_backup(cluster.endpoints)
        complete(backup)
        with closing(Writer(cluster.endpoints)) as writer:
            take(backup)
            writer.goes_on()
            status = cluster.members[0].status()
            assert status is not None
            switches[0].cut()
            for switch in switches[1:]:
                switch.cut(status.header.member_id)
            writer.goes_on()
            told = logged(backup, writer)
            taken = backup.take("request")
            assert taken.count >= told
            alone = start_backup_of(cluster.members[0], start_backup, tmp_path)
            with pytest.raises(SnapshotError):
                alone.take("request")
            for switch in switches:
                switch.mend()
            writer.goes_on()
            logged(backup, writer)
        is_whole(backup, tmp_path / "volume")


def start_backup_of(member: Member, start_backup: StartBackup, folder: Path) -> Backup:
    """A backup that knows but one member, on a volume of its own."""
    (folder / "alone" / "volume").mkdir(parents=True)
    backup = start_backup([member.endpoint], folder / "alone")
    loaded(backup)
    return backup


def parted(cluster: Cluster) -> tuple[Member, list[Member]]:
    """The first member, which is the one that is watched first, and the others."""
    first, *others = cluster.members
    return first, others


@contextmanager
def paused(members: list[Member]) -> Iterator[None]:
    for member in members:
        member.pause()
    try:
        yield
    finally:
        for member in members:
            member.resume()


@contextmanager
def with_switches(folder: Path, programs: Path) -> Iterator[tuple[Cluster, list[Switch]]]:
    """Members that reach one another through switches, one before each."""
    with ExitStack() as stack:
        cluster = stack.enter_context(closing(Cluster(folder, programs)))
        switches = [stack.enter_context(closing(Switch(member.peer_port))) for member in cluster.members]
        for member, switch in zip(cluster.members, switches, strict=True):
            for each in cluster.members:
                each.command = [_through(switch, member, word) for word in each.command]
        cluster.start()
        yield cluster, switches


def _through(switch: Switch, member: Member, word: str) -> str:
    listens = word.startswith("--listen-peer-urls")
    return word if listens else word.replace(member.peer_url, f"http://127.0.0.1:{switch.port}")


def lag(backup: Backup) -> float:
    seconds = backup.overview().log.lag_seconds
    assert seconds is not None
    return seconds


def is_whole(backup: Backup, volume: Path) -> None:
    """The log has no gap, and nothing else is wrong."""
    assert backup.overview().passed_over == ()
    logs, broken = scan_folder(volume)
    assert broken == []
    reached = min(log.header.after for log in logs)
    for log in sorted(logs, key=lambda log: log.header.after):
        assert log.header.after <= reached
        reached = max(reached, log.last)
