import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from backup import taking
from backup.errors import SnapshotError
from backup.scratch import ScratchError
from backup.taking import Taken, take
from etcd.endpoints import Endpoint
from etcd.errors import EtcdUnavailableError
from etcd.member import Status

ENDPOINTS = [Endpoint(f"etcd-{number}", 2379) for number in range(3)]
DATABASE = bytes(range(256)) * 8


class FakeMember:
    """A member whose snapshot has a revision, and which may be cut off, corrupt, or send something damaged."""

    def __init__(self) -> None:
        self.newest = 42
        self.revision = 42
        self.is_away = False
        self.has_alarm = False
        self.sends = [DATABASE[:700], DATABASE[700:], hashlib.sha256(DATABASE).digest()]

    def __enter__(self) -> "FakeMember":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def is_corrupt(self) -> bool:
        if self.is_away:
            raise EtcdUnavailableError("no leader")
        return self.has_alarm

    def status(self) -> Status:
        return Status(1, 7, 1, self.newest, "3.6.16")

    def count(self, revision: int = 0) -> tuple[int, int]:
        return (revision or self.newest) - 2, revision or self.newest

    def epoch(self, _: int) -> int:
        return 3

    def snapshot(self) -> Iterator[bytes]:
        yield from self.sends


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> list[FakeMember]:
    """The first is asked first."""
    found = [FakeMember() for _ in ENDPOINTS]
    taken_from: list[FakeMember] = []

    def connect_to(endpoint: Endpoint) -> FakeMember:
        taken_from.append(found[int(endpoint.host[-1])])
        return taken_from[-1]

    monkeypatch.setattr("backup.taking.random.sample", lambda endpoints, k: list(endpoints)[:k])
    monkeypatch.setattr(taking, "connect_to", connect_to)
    monkeypatch.setattr(taking, "newest_revision", lambda _: taken_from[-1].revision)
    return found


@pytest.mark.usefixtures("members")
def test_what_a_member_sends_is_written(tmp_path: Path) -> None:
    assert take(ENDPOINTS, tmp_path / "taken") == Taken(3, 7, 42, 40, "3.6.16")
    assert (tmp_path / "taken").read_bytes() == DATABASE + hashlib.sha256(DATABASE).digest()


def test_it_may_be_newer_than_what_was_known(members: list[FakeMember], tmp_path: Path) -> None:
    members[0].revision = 50
    taken = take(ENDPOINTS, tmp_path / "taken")
    assert (taken.revision, taken.count) == (50, 48)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"is_away": True}, "no leader"),
        ({"revision": 41}, "ends with revision 41, but 42 is known"),
        ({"sends": [DATABASE]}, "damaged"),
        ({"sends": [DATABASE, bytes(32)]}, "damaged"),
        ({"sends": [DATABASE[1:], hashlib.sha256(DATABASE[1:]).digest()]}, "damaged"),
        ({"sends": []}, "damaged"),
    ],
)
def test_another_member_is_asked(
    members: list[FakeMember], tmp_path: Path, change: dict[str, object], why: str
) -> None:
    for name, value in change.items():
        setattr(members[0], name, value)
    assert take(ENDPOINTS, tmp_path / "taken").revision == 42
    for member in members[1:]:
        for name, value in change.items():
            setattr(member, name, value)
    with pytest.raises(SnapshotError, match=f"no member can give a snapshot: etcd-0: .*{why}.*etcd-1: .*etcd-2: "):
        take(ENDPOINTS, tmp_path / "taken")


def test_none_while_some_member_differs(members: list[FakeMember], tmp_path: Path) -> None:
    members[0].has_alarm = True
    with pytest.raises(SnapshotError, match="CORRUPT"):
        take(ENDPOINTS, tmp_path / "taken")


def test_what_etcds_program_refuses(members: list[FakeMember], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert members

    def refuse(_: Path) -> int:
        raise ScratchError("etcdutl refuses it")

    monkeypatch.setattr(taking, "newest_revision", refuse)
    with pytest.raises(SnapshotError, match="etcdutl refuses it"):
        take(ENDPOINTS, tmp_path / "taken")
