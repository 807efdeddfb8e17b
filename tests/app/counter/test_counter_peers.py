"""Batches on their way from one replica to another: what is said, and what becomes of a connection that fails."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from counter import peers
from counter.peers import Peer, PeerLostError, PeerServer
from counter.transactions import Commit, Committed, Shard
from etcd.errors import EtcdUnavailableError
from etcd.keys import ShardValue
from tests.app.counter.until import until

COMMIT = Commit(Shard("0a1b", ShardValue(40, 0), 17), ShardValue(42, 9))


class Committer:
    """Commits what it is told to, as a test wants it to be."""

    def __init__(self) -> None:
        self.asked: list[Commit] = []
        self.answer: Callable[[], Committed | None] = lambda: None

    def __call__(self, commit: Commit) -> Committed | None:
        self.asked.append(commit)
        return self.answer()


@pytest.fixture
def committer() -> Committer:
    return Committer()


@pytest.fixture
def server(committer: Committer) -> Iterator[PeerServer]:
    with closing(PeerServer(0, committer)) as server:
        yield server


@pytest.fixture
def peer(server: PeerServer) -> Iterator[Peer]:
    with closing(Peer(f"127.0.0.1:{server.port}")) as peer:
        yield peer


def unavailable() -> Committed | None:
    raise EtcdUnavailableError("timed out")


def fail() -> Committed | None:
    raise ZeroDivisionError


@pytest.mark.parametrize("committed", [Committed(18, 42, 1 << 63), Committed(18, None, 7), None])
def test_what_is_asked_arrives_and_so_does_the_answer(
    committer: Committer, peer: Peer, committed: Committed | None
) -> None:
    committer.answer = lambda: committed
    assert [peer.commit(COMMIT), peer.commit(COMMIT)] == [committed, committed]
    assert committer.asked == [COMMIT, COMMIT]
    assert committer.asked[0].size == 2


def test_nobody_knows_when_etcd_does_not_answer(committer: Committer, peer: Peer) -> None:
    committer.answer = unavailable
    with pytest.raises(EtcdUnavailableError) as caught:
        peer.commit(COMMIT)
    assert not isinstance(caught.value, PeerLostError)
    committer.answer = lambda: None
    assert peer.commit(COMMIT) is None


def test_nobody_knows_when_the_peer_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "PATIENCE", 0.05)
    with (
        socket.create_server(("127.0.0.1", 0)) as hung,
        closing(Peer(f"127.0.0.1:{hung.getsockname()[1]}")) as peer,
        pytest.raises(PeerLostError, match="timed out"),
    ):
        peer.commit(COMMIT)


def test_nobody_knows_when_the_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        closing(Peer(f"127.0.0.1:{listener.getsockname()[1]}")) as peer,
        listener.accept()[0] as connection,
    ):
        monkeypatch.setattr(peer, "is_over", lambda: False)  # the answer is there before it is asked for
        connection.sendall(b"yes\n")
        with pytest.raises(PeerLostError, match="yes"):
            peer.commit(COMMIT)


def test_nothing_is_sent_to_a_peer_that_has_gone(server: PeerServer, committer: Committer, peer: Peer) -> None:
    peer.commit(COMMIT)
    assert not peer.is_over()
    server.close()
    until(peer.is_over)
    assert peer.commit(COMMIT) is None
    assert committer.asked == [COMMIT]


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http"])
def test_what_is_no_address_is_an_error(address: str) -> None:
    with pytest.raises(ValueError, match="int"):
        Peer(address)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r\n",
        b"0a1b 17 42 9\n",  # no size
        b"0a1b 17 42 9 0\n",
        b"0a1b 17 42 9 43\n",  # more than the total
        b"../base 17 42 9 2\n",
        b"0a1b 17 42 9 2" + b"0" * 300,
    ],
)
def test_what_no_replica_asks_ends_the_connection_and_is_in_the_log(
    server: PeerServer, committer: Committer, caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    with caplog.at_level(logging.WARNING), socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(line)
        assert connection.recv(100) == b""
    assert committer.asked == []
    assert "what no replica does" in caplog.text


def test_what_fails_ends_one_connection_and_is_in_the_log(
    committer: Committer, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    committer.answer = fail
    with pytest.raises(PeerLostError):
        peer.commit(COMMIT)
    until(lambda: "ZeroDivisionError" in caplog.text)
    committer.answer = lambda: None
    with closing(Peer(peer.address)) as another:
        assert another.commit(COMMIT) is None


def test_there_is_room_for_so_many(server: PeerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "_MOST_PEERS", 1)
    with closing(Peer(f"127.0.0.1:{server.port}")) as first:
        first.commit(COMMIT)
        with closing(Peer(f"127.0.0.1:{server.port}")) as second:
            until(second.is_over)
        assert not first.is_over()
