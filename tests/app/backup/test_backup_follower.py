from pathlib import Path
from typing import cast

import pytest
from etcd3.etcdrpc.kv_pb2 import Event, KeyValue  # type: ignore[import-untyped]

from backup.follower import Follower, ReplayError
from backup.log_file import LogWriter
from backup.scratch import Scratch
from tests.app.backup.fake_scratch import FakeMember, FakeScratch
from tests.app.backup.samples import CLUSTER, manifest, put, write_log


def follower_in(folder: Path, revision: int = 10) -> tuple[Follower, FakeMember]:
    member = FakeMember(revision)
    return Follower(manifest(revision), cast(Scratch, FakeScratch(member)), folder), member


def test_each_revision_becomes_one_transaction(tmp_path: Path) -> None:
    write_log(tmp_path, range(8, 14))
    follower, member = follower_in(tmp_path)
    seen: list[int] = []
    follower.advance(report=seen.append)
    assert seen == [11, 12, 13]
    assert [request.success[0].request_put.value for request in member.applied] == [b"11", b"12", b"13"]
    write_log(tmp_path, [14], "pod-2")
    follower.advance()
    assert member.revision == 14


def test_it_stops_where_it_is_told_to_and_goes_on_from_there(tmp_path: Path) -> None:
    write_log(tmp_path, range(11, 15))
    follower, member = follower_in(tmp_path)
    follower.advance(until=12)
    assert member.revision == 12
    follower.advance(until=12)
    follower.advance(until=11)
    assert member.revision == 12
    follower.advance()
    assert member.revision == 14


def test_puts_keep_their_leases_and_deletions_delete(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, CLUSTER, 1, 10, "pod-1")
    writer.append_lease(7, 15)
    writer.append_revision(11, [put(11, b"o/1", lease=7), put(11, b"c/s/1")])
    writer.append_revision(12, [Event(type=Event.DELETE, kv=KeyValue(key=b"o/1", mod_revision=12)), put(12)])
    writer.flush()
    writer.close()
    follower, member = follower_in(tmp_path)
    follower.advance()
    assert member.granted == {7: 15}
    first, second = member.applied
    assert [(one.request_put.key, one.request_put.lease) for one in first.success] == [(b"o/1", 7), (b"c/s/1", 0)]
    assert [one.WhichOneof("request") for one in second.success] == ["request_delete_range", "request_put"]
    assert second.success[0].request_delete_range.key == b"o/1"
    assert not second.success[0].request_delete_range.range_end


def test_a_lease_that_the_snapshot_has_is_no_fault(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, CLUSTER, 1, 10, "pod-1")
    writer.append_lease(7, 15)
    writer.append_revision(11, [put(11, lease=7)])
    writer.flush()
    writer.close()
    follower, member = follower_in(tmp_path)
    member.granted[7] = 15
    follower.advance()
    assert member.revision == 11


@pytest.mark.parametrize(("lease", "ttl"), [(8, 15), (7, 0)], ids=["unknown", "refused"])
def test_a_lease_that_is_of_no_use(tmp_path: Path, lease: int, ttl: int) -> None:
    writer = LogWriter(tmp_path, CLUSTER, 1, 10, "pod-1")
    writer.append_lease(7, ttl)
    writer.append_revision(11, [put(11, lease=lease)])
    writer.flush()
    writer.close()
    follower, _ = follower_in(tmp_path)
    with pytest.raises(ReplayError, match=rf"(revision 11|lease 7): .*({'not found' if ttl else 'too short'})"):
        follower.advance()


def test_a_revision_that_becomes_another_one(tmp_path: Path) -> None:
    """As when a lease has ended in the scratch etcd, and deleted its keys."""
    write_log(tmp_path, range(11, 14))
    follower, member = follower_in(tmp_path)
    follower.advance(until=11)
    member.skips = 1
    with pytest.raises(ReplayError, match="revision 12 became revision 13"):
        follower.advance()
