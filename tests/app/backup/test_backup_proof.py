from pathlib import Path
from typing import cast

import pytest

from backup import proof
from backup.follower import Follower
from backup.proof import Verdict
from backup.scratch import Scratch
from etcd.endpoints import Endpoint
from etcd.errors import CompactedError, EtcdUnavailableError
from etcd.keys import UnreadableKeyError
from tests.app.backup.fake_scratch import FakeMember, FakeScratch
from tests.app.backup.samples import CLUSTER, manifest, write_log

ENDPOINTS = [Endpoint(f"etcd-{number}", 2379) for number in range(3)]

# What the snapshot of the samples says of itself.
REVISION, COUNT = 42, 40


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> list[FakeMember | None]:
    """Three members, which the test may change; None does not answer."""
    found: list[FakeMember | None] = [FakeMember(REVISION, COUNT, CLUSTER) for _ in range(3)]

    def connect_to(endpoint: Endpoint) -> FakeMember:
        member = found[int(endpoint.host[-1])]
        if member is None:
            raise EtcdUnavailableError("UNAVAILABLE: it is away")
        return member

    monkeypatch.setattr(proof, "connect_to", connect_to)
    return found


def scratch(revision: int = REVISION, count: int = COUNT) -> FakeScratch:
    return FakeScratch(FakeMember(revision, count))


def compare(found: FakeScratch) -> Verdict:
    return proof.compare_with_members(cast(Scratch, found), manifest(), ENDPOINTS)


def test_what_a_snapshot_says_of_itself() -> None:
    assert proof.compare_with_manifest(cast(Scratch, scratch()), manifest()) is None


@pytest.mark.parametrize(("revision", "count", "what"), [(41, COUNT, "revision 41"), (REVISION, 39, "count 39")])
def test_what_a_snapshot_does_not_say_of_itself(revision: int, count: int, what: str) -> None:
    verdict = proof.compare_with_manifest(cast(Scratch, scratch(revision, count)), manifest())
    assert verdict is not None
    assert verdict.outcome == "failed"
    assert what in verdict.detail


def test_a_key_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scratch()

    def count() -> tuple[int, int]:
        raise UnreadableKeyError("the key c/x")

    monkeypatch.setattr(found.member, "count", count)
    verdict = proof.compare_with_manifest(cast(Scratch, found), manifest())
    assert verdict == Verdict("failed", "the key c/x")


def test_a_majority_has_the_same(members: list[FakeMember | None]) -> None:
    assert compare(scratch()) == Verdict("proven", "3 of 3 members had the same")
    assert members[0] is not None
    members[0].hashes[REVISION] = 5
    assert compare(scratch()) == Verdict("proven", "2 of 3 members had the same")
    members[0] = None
    assert compare(scratch()).outcome == "proven"


def test_a_majority_has_another(members: list[FakeMember | None]) -> None:
    for member in members[1:]:
        assert member is not None
        member.hashes[REVISION] = 5
    verdict = compare(scratch())
    assert verdict.outcome == "failed"
    assert "is 0000002a, 2 members' 00000005" in verdict.detail


def test_no_two_have_the_same(members: list[FakeMember | None]) -> None:
    for number, member in enumerate(members):
        assert member is not None
        member.hashes[REVISION] = number
    verdict = compare(scratch())
    assert verdict.outcome == "inconclusive"
    assert "no majority of 3" in verdict.detail


def test_the_scratch_forgets_what_the_members_have_forgotten(members: list[FakeMember | None]) -> None:
    for member in members:
        assert member is not None
        member.compacted = 30
    found = scratch()
    assert compare(found).outcome == "proven"
    assert found.member.compacted == 30


def test_the_snapshot_has_forgotten_more_than_the_members(members: list[FakeMember | None]) -> None:
    assert members
    found = scratch()
    found.member.compacted = 30
    assert compare(found).outcome == "inconclusive"


def test_members_that_know_the_revision_no_more(members: list[FakeMember | None]) -> None:
    for member in members:
        assert member is not None
        member.hashes[REVISION] = CompactedError("required revision has been compacted")
    verdict = compare(scratch())
    assert verdict.outcome == "inconclusive"
    assert "compacted" in verdict.detail


def test_members_of_another_cluster(members: list[FakeMember | None]) -> None:
    """They may well have the same revision."""
    for member in members:
        assert member is not None
        member.cluster = 5
        member.hashes[REVISION] = 1
    verdict = compare(scratch())
    assert verdict.outcome == "inconclusive"
    assert "0000000000000005" in verdict.detail


def test_too_few_answer_for_a_majority(members: list[FakeMember | None]) -> None:
    """That says nothing of the snapshot, however long it lasts."""
    members[:2] = [None, None]
    with pytest.raises(EtcdUnavailableError, match="too few members"):
        compare(scratch())


def follow(folder: Path, member: FakeMember, newest: int = 43) -> str | None:
    follower = Follower(manifest(REVISION), cast(Scratch, FakeScratch(FakeMember(REVISION))), folder)
    found = cast(Scratch, FakeScratch(member))
    return proof.compare_with_log(follower, found, manifest(newest))


def test_the_log_makes_the_same(tmp_path: Path) -> None:
    write_log(tmp_path, [43, 44])
    member = FakeMember(43)
    member.compacted = 20
    assert follow(tmp_path, member) is None


def test_the_log_makes_something_else(tmp_path: Path) -> None:
    write_log(tmp_path, [43])
    member = FakeMember(43)
    member.hashes[43] = 5
    assert follow(tmp_path, member) == "its hash at revision 43 is 0000002b, the snapshot's 00000005"


def test_the_log_ends_before_the_snapshot(tmp_path: Path) -> None:
    write_log(tmp_path, [43, 44])
    assert follow(tmp_path, FakeMember(50), 50) == "it ends with revision 44"


def test_the_log_has_a_gap(tmp_path: Path) -> None:
    write_log(tmp_path, [43])
    later = write_log(tmp_path, [45], "pod-2")
    found = follow(tmp_path, FakeMember(45), 45)
    assert found is not None
    assert later.name in found


def test_the_log_can_not_be_replayed(tmp_path: Path) -> None:
    path = write_log(tmp_path, [43])
    assert path.exists()
    follower = Follower(manifest(REVISION), cast(Scratch, FakeScratch(FakeMember(99))), tmp_path)
    found = proof.compare_with_log(follower, cast(Scratch, FakeScratch(FakeMember(43))), manifest(43))
    assert found is not None
    assert "became revision 100" in found
