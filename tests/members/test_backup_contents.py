"""What is peculiar in etcd: leases, huge revisions, alarms, compaction. All of it is backed up all the same."""

import time
from contextlib import closing
from pathlib import Path

import pytest
from etcd3.etcdrpc import (  # type: ignore[import-untyped]
    AlarmRequest,
    CompactionRequest,
    KVStub,
    MaintenanceStub,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
)

from backup.errors import SnapshotError
from backup.prover import Prover
from etcd.channel import to_any_of
from etcd.client import EtcdClient
from etcd.member import Member
from tests.members.backing_up import (
    Writer,
    complete,
    kept_alive,
    loaded,
    logged,
    newest_proven,
    put,
    restore_file,
    started_from,
    take,
    view,
)
from tests.members.cluster import Cluster, wait_until
from tests.members.conftest import StartBackup, StartCluster
from tests.members.load import patiently

_ALL = RangeRequest(key=b"\0", range_end=b"\0")

# etcd's AlarmType.
_NOSPACE, _CORRUPT = 1, 2


def test_a_short_lease_that_is_kept_alive(
    start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path
) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(connected(cluster)) as etcd:
        before = etcd.grant_lease(2)
        put(etcd, b"o/before", b"x", before)
        with kept_alive(etcd, before):
            take(backup)
            after = etcd.grant_lease(2)
            with kept_alive(etcd, after), closing(Writer(cluster.endpoints)) as writer:
                put(etcd, b"o/after", b"x", after)
                for _ in range(4):  # longer than either lease
                    time.sleep(3)
                    writer.goes_on()
                logged(backup, writer)
                file = restore_file(backup)
                take(backup)
    assert backup.overview().passed_over == ()
    with started_from(tmp_path / "volume" / f"{file.name}.db", tmp_path / "etcd") as scratch:
        kept = {pair.key: pair.lease for pair in scratch.member.read(_ALL).kvs}
        assert kept[b"o/before"] == before
        assert kept[b"o/after"] == after
        assert scratch.member.count() == (file.count, file.revision)


def test_one_revision_of_many_deletions_and_one_of_many_bytes(
    start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path
) -> None:
    cluster = start_cluster("--max-txn-ops=10000", "--max-request-bytes=16777216")
    backup = start_backup(cluster.endpoints)
    complete(backup)
    take(backup)
    with closing(connected(cluster)) as etcd:
        lease = etcd.grant_lease(3600)
        for batch in range(10):
            _put_many(cluster, {b"i/%d-%d" % (batch, n): b"x" for n in range(1000)}, lease)
        _put_many(cluster, {b"r/%d" % n: bytes(500_000) for n in range(12)})
        etcd.revoke_lease(lease)
    with closing(Writer(cluster.endpoints)) as writer:
        writer.goes_on()
    complete(backup, cluster.revision())
    file = restore_file(backup)
    take(backup)
    assert backup.overview().passed_over == ()
    with started_from(tmp_path / "volume" / f"{file.name}.db", tmp_path / "etcd") as scratch:
        keys = [pair.key for pair in scratch.member.read(_ALL).kvs]
        assert len(keys) == 12 + 2  # the count and the epoch
        assert file.revision == cluster.revision() + 1


def test_an_alarm_does_not_stand_in_the_restored_cluster(
    start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path
) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        writer.goes_on()
        put_alarm(cluster, _NOSPACE)
        wait_until(lambda: _alarms(cluster) > 0, "the alarm stands")
        first = take(backup)
        put_alarm(cluster, _NOSPACE, AlarmRequest.DEACTIVATE)
        writer.goes_on()
        logged(backup, writer)  # so what follows the log can write
    for name in ("latest", first.name):
        file = restore_file(backup, name)
        restored = cluster_from(tmp_path / "volume" / f"{file.name}.db", cluster)
        assert _alarms(restored) == 0
        with closing(connected(restored)) as etcd:
            put(etcd, b"c/base", b"7")


def cluster_from(file: Path, cluster: Cluster) -> Cluster:
    for member in cluster.members:
        member.kill()
    cluster.restore(file)
    cluster.start()
    return cluster


def test_no_snapshot_while_members_differ(start_cluster: StartCluster, start_backup: StartBackup) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    take(backup)
    put_alarm(cluster, _CORRUPT)
    with pytest.raises(SnapshotError, match="CORRUPT"):
        backup.take("request")


def test_etcd_compacts_before_the_proof(
    start_cluster: StartCluster, start_backup: StartBackup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backup.prover._RETAKE_INTERVAL", 1.0)
    cluster = start_cluster()
    held = Held(monkeypatch)
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        writer.goes_on()
        held.hold()
        taken = backup.take("request")
        writer.goes_on()
        compact(cluster, taken.revision + 20)
        held.let_go()
        wait_until(lambda: newest_proven(backup).revision > taken.revision, "a newer one is proven")
    assert view(backup, taken.name).proven.startswith("failed: no member can tell")


def test_the_log_is_compacted_before_it_is_written(start_cluster: StartCluster, start_backup: StartBackup) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        writer.goes_on()
        first = take(backup)
        backup.close()
        writer.goes_on(100)
        compact(cluster, cluster.revision() - 20)
        again = start_backup(cluster.endpoints)
        loaded(again)
        wait_until(lambda: any(found.reason == "log" for found in again.overview().snapshots), "a new snapshot")
        wait_until(lambda: newest_proven(again).revision > first.revision, "it is proven")
        writer.goes_on()
        told = logged(again, writer)
        assert restore_file(again).count >= told
    wait_until(lambda: again.overview().passed_over == (), "nothing is broken any more")


def connected(cluster: Cluster) -> EtcdClient:
    etcd = EtcdClient(cluster.endpoints)
    patiently(lambda: etcd.read(_ALL))
    return etcd


class Held:
    """Proofs that wait until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._is_held = False
        prove = Prover.prove_pending

        def waiting(prover: Prover) -> None:
            if not self._is_held:
                prove(prover)

        monkeypatch.setattr(Prover, "prove_pending", waiting)

    def hold(self) -> None:
        self._is_held = True

    def let_go(self) -> None:
        self._is_held = False


def compact(cluster: Cluster, revision: int) -> None:
    with member_of(cluster) as member:
        KVStub(member.channel).Compact(CompactionRequest(revision=revision, physical=True), timeout=10)


def put_alarm(cluster: Cluster, alarm: int, action: int = AlarmRequest.ACTIVATE) -> None:
    with member_of(cluster) as member:
        request = AlarmRequest(action=action, memberID=member.status().member, alarm=alarm)
        MaintenanceStub(member.channel).Alarm(request, timeout=10)


def member_of(cluster: Cluster) -> Member:
    endpoint = cluster.endpoints[0]
    return Member(to_any_of([f"{endpoint.host}:{endpoint.port}"]))


def _alarms(cluster: Cluster) -> int:
    with member_of(cluster) as member:
        return len(MaintenanceStub(member.channel).Alarm(AlarmRequest(action=AlarmRequest.GET), timeout=10).alarms)


def _put_many(cluster: Cluster, pairs: dict[bytes, bytes], lease: int = 0) -> None:
    operations = [RequestOp(request_put=PutRequest(key=key, value=value, lease=lease)) for key, value in pairs.items()]
    with member_of(cluster) as member:
        member.transact(TxnRequest(success=operations))
