import json

import pytest

from chaos import leftovers
from chaos.leftovers import MemberHash, comparable, left_for_good, member_hashes, parse_hashes
from chaos.system import System
from local.layout import Layout

SYSTEM = System(Layout("none", 0), 30180)


def printed(**members: tuple[int, int, int]) -> str:
    """What etcdctl prints of members with these revisions compacted to, latest revisions and hashes."""
    return json.dumps(
        [
            {
                "Endpoint": f"http://{name}:2379",
                "HashKV": {
                    "header": {"revision": revision + 1},
                    "hash": value,
                    "compact_revision": compacted,
                    "hash_revision": revision,
                },
            }
            for name, (compacted, revision, value) in members.items()
        ]
    )


def test_a_hash_has_its_revisions() -> None:
    assert parse_hashes(printed(etcd0=(-1, 17, 99))) == [MemberHash("http://etcd0:2379", -1, 17, 99)]


@pytest.mark.parametrize("other", [(5, 18, 99), (4, 17, 99)])
def test_hashes_of_different_revisions_say_nothing(other: tuple[int, int, int]) -> None:
    assert comparable(parse_hashes(printed(etcd0=(5, 17, 99), etcd1=other))) == []


def test_hashes_are_asked_for_until_the_members_are_at_the_same_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = iter([printed(etcd0=(5, 17, 1), etcd1=(5, 16, 2)), printed(etcd0=(5, 17, 1), etcd1=(5, 17, 3))])
    monkeypatch.setattr(System, "kubectl", lambda *_: next(outputs))
    monkeypatch.setattr("time.sleep", lambda _: None)

    assert [member.hash for member in member_hashes(SYSTEM)] == [1, 3]


def test_only_base_and_shards_may_stay_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [("c/base", 0), ("c/s/1", 0), ("i/mine", 0), ("i/other", 77), ("o/1", 78)]
    fields = "\n".join(f'"Key" : "{key}"\n"Lease" : {lease}' for key, lease in keys)
    monkeypatch.setattr(System, "kubectl", lambda *_: fields)

    assert left_for_good(SYSTEM) == ["i/mine"]


def test_shards_are_folded_when_there_is_one_with_its_owner_for_each_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = iter([["c/s/1", "c/s/2", "c/s/3"], ["c/s/1", "c/s/2"], ["o/1"], ["c/s/1", "c/s/2"], ["o/1", "o/2"]])
    monkeypatch.setattr(System, "pods", lambda *_: [{}, {}])
    monkeypatch.setattr(leftovers, "_keys", lambda *_: next(listed))
    monkeypatch.setattr("time.sleep", lambda _: None)

    leftovers.wait_until_folded(SYSTEM)

    assert list(listed) == []
