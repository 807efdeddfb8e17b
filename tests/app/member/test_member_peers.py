import json
from collections.abc import Callable, Iterator

import pytest

from member import command, peers
from member.settings import Member
from tests.app.member.answering import Answer, Answering

STARTED = {"id": 1, "peerURLs": ["http://etcd1:2380"], "name": "etcd1", "clientURLs": ["http://etcd1:2379"]}
NOT_STARTED = {"id": 1, "peerURLs": ["http://etcd1:2380"], "name": "etcd1"}
ANOTHER = {"id": 2, "peerURLs": ["http://etcd3:2380"], "name": "etcd3"}


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Answering]]:
    """The members etcd0 and etcd2. The own one, etcd1, is asked nothing."""
    with Answering() as first, Answering() as third:
        urls = {"etcd0": first.url, "etcd1": "http://etcd1:2380", "etcd2": third.url}
        monkeypatch.setattr(command, "peer_url", urls.__getitem__)
        yield [first, third]


def say(other: Answering, *members: object) -> None:
    other.answers["GET /members"] = Answer(json.dumps(members).encode())


def test_a_late_member_was_never_started(others: list[Answering], make_member: Callable[..., Member]) -> None:
    for other in others:
        say(other, ANOTHER, NOT_STARTED)
    assert peers.say_never_started(make_member())


@pytest.mark.parametrize("said", [[STARTED], [ANOTHER], [], [None], ["etcd1"], [{}]])
def test_one_that_does_not_say_so_is_enough_to_doubt(
    others: list[Answering], make_member: Callable[..., Member], said: list[object]
) -> None:
    say(others[0], NOT_STARTED)
    say(others[1], *said)
    assert not peers.say_never_started(make_member())


def test_silence_says_nothing(others: list[Answering], make_member: Callable[..., Member]) -> None:
    say(others[0], NOT_STARTED)
    assert not peers.say_never_started(make_member())


def test_five_members_need_three_that_know(
    monkeypatch: pytest.MonkeyPatch, others: list[Answering], make_member: Callable[..., Member], unused_port: int
) -> None:
    for other in others:
        say(other, NOT_STARTED)
    gone = f"http://127.0.0.1:{unused_port}"
    urls = {"etcd0": others[0].url, "etcd1": "http://etcd1:2380", "etcd2": others[1].url, "etcd3": gone, "etcd4": gone}
    monkeypatch.setattr(command, "peer_url", urls.__getitem__)
    member = make_member(MEMBERS="etcd0,etcd1,etcd2,etcd3,etcd4")
    assert not peers.say_never_started(member)
    urls["etcd3"] = others[0].url
    assert peers.say_never_started(member)


def test_a_member_alone_has_nobody_to_ask(make_member: Callable[..., Member]) -> None:
    assert not peers.say_never_started(make_member(MEMBERS="etcd0", MY_POD_NAME="etcd-0"))
