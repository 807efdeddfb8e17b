import json
from collections.abc import Iterator

import pytest

from member import peers
from tests.app.member.answering import Answer, Answering

CLUSTER = ["etcd0", "etcd1", "etcd2"]

# As large as etcd's own IDs.
OWN = (1 << 64) - 1

LISTED = {"id": OWN, "peerURLs": ["http://etcd1:2380"], "name": "", "clientURLs": []}
BEFORE = {"id": 1, "peerURLs": ["http://etcd1:2380"], "name": "etcd1"}
ANOTHER = {"id": 2, "peerURLs": ["http://etcd3:2380"], "name": "etcd3"}


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Answering]]:
    """The members etcd0 and etcd2. The own one, etcd1, is asked nothing."""
    with Answering() as first, Answering() as third:
        urls = {"etcd0": first.url, "etcd1": "http://etcd1:2380", "etcd2": third.url}
        monkeypatch.setattr(peers, "peer_url", urls.__getitem__)
        yield [first, third]


def say(other: Answering, *members: object) -> None:
    other.answers["GET /members"] = Answer(json.dumps(members).encode())


def test_all_others_list_the_life_that_joins(others: list[Answering]) -> None:
    for other in others:
        say(other, ANOTHER, LISTED)
    assert peers.list_as(CLUSTER, "etcd1", OWN)
    assert not peers.list_as(CLUSTER, "etcd1", OWN - 1)


@pytest.mark.parametrize("said", [[BEFORE], [BEFORE, LISTED], [ANOTHER], []])
def test_one_that_does_not_is_enough_to_doubt(others: list[Answering], said: list[object]) -> None:
    say(others[0], LISTED)
    say(others[1], *said)
    assert not peers.list_as(CLUSTER, "etcd1", OWN)


@pytest.mark.parametrize("answer", [Answer(b"", 503), Answer(b"<html>"), Answer(b"[{}]"), Answer(b"[null]")])
def test_who_gives_no_answer_of_use_is_not_waited_for(others: list[Answering], answer: Answer) -> None:
    say(others[0], LISTED)
    others[1].answers["GET /members"] = answer
    assert peers.list_as(CLUSTER, "etcd1", OWN)


def test_somebody_has_to_answer(others: list[Answering]) -> None:
    for other in others:
        other.answers["GET /members"] = Answer(b"", 503)
    assert not peers.list_as(CLUSTER, "etcd1", OWN)


def test_a_silent_member_is_given_up(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "peer_url", lambda _: silent)
    monkeypatch.setattr(peers, "TIMEOUT", 0.05)
    assert not peers.list_as(CLUSTER, "etcd1", OWN)


def test_a_member_does_not_ask_itself(server: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "peer_url", lambda _: server.url)
    say(server, {"id": OWN, "peerURLs": [server.url]})
    assert not peers.list_as(["etcd1"], "etcd1", OWN)
    assert server.asked == []
