"""Clients that mean harm, or know no better: they get clear errors, others are served meanwhile, nothing grows."""

import random
import resource
import selectors
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import islice

import pytest

from chaos.system import PATIENCE, System, eventually
from tests.e2e.replica import Replica, answers, unharmed_replica

VERSION = b" HTTP/1.1\r\n"
INCREMENT = b"GET /increment HTTP/1.1\r\n\r\n"
POST = b"POST /increment HTTP/1.1\r\n"

# Bytes by which a replica's memory may differ between two times at which nobody is connected.
MEMORY_NOISE = 4 * 1024 * 1024

# What is refused, and how.
REFUSED: dict[bytes, tuple[int, str]] = {
    # Too large
    b"GET /increment HTTP/1.1\r\nX-Large: " + b"x" * 20_000 + b"\r\n\r\n": (431, "max_header"),
    POST + b"Content-Length: 1000000\r\n\r\n" + bytes(1_000_000): (413, "max_body"),
    POST + b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n": (413, "max_body"),
    POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffff\r\n" + bytes(100_000): (413, "max_body"),
    POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 100_000: (413, "max_body"),
    b"GET /" + b"%ff" * 5000 + VERSION + b"\r\n": (404, "There is no"),
    # What keeps a server busy that reads it without care
    b"GET a://" + b"1" * 16_000 + b" x" + VERSION + b"\r\n": (400, "Start line"),
    b"GET /increment" + VERSION + b"X:" + b" " * 16_000 + b"x\r\n\r\n": (400, "space"),
    # What has no clear end
    POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy": (400, "Content-Length"),
    POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n": (400, "Content-Length"),
    POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + INCREMENT: (400, "Transfer-Encoding"),
    POST + b"Transfer-Encoding: chunked\r\n\r\nno length\r\n": (400, "chunk"),
    POST + b"Transfer-Encoding: gzip\r\n\r\n": (501, "Transfer-Encoding"),
    # Other paths
    b"GET /increment/" + VERSION + b"\r\n": (404, "/increment/"),
    b"GET /INCREMENT" + VERSION + b"\r\n": (404, "/INCREMENT"),
    b"GET /increment%00" + VERSION + b"\r\n": (404, "There is no"),
    b"GET /increment\0" + VERSION + b"\r\n": (400, "Start line"),
    b"GET increment" + VERSION + b"\r\n": (400, "path"),
    b"GET http://[" + VERSION + b"\r\n": (400, "address"),
    # Other methods, and what is no HTTP
    b"DELETE /increment" + VERSION + b"\r\n": (405, "DELETE"),
    b"get /increment" + VERSION + b"\r\n": (400, "method"),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": (400, "path"),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n": (400, "Start line"),
    # Keys that are none
    POST + b"Idempotency-Key: a\r\nIdempotency-Key: a\r\n\r\n": (400, "Idempotency-Key"),
    POST + b"Idempotency-Key: " + b"k" * 10_000 + b"\r\n\r\n": (400, "Idempotency-Key"),
    POST + b"Idempotency-Key:\r\n\r\n": (400, "Idempotency-Key"),
}

# What is unusual, and counted once nevertheless.
COUNTED = [
    b"GET /increment\r\n\r\n",
    b"GET /increment HTTP/1.0\r\n\r\n",
    b"GET /increment HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"\r\n\r\nGET /increment HTTP/1.1\r\n\r\n",
    b"GET //increment HTTP/1.1\r\n\r\n",
    b"GET /%69ncrement HTTP/1.1\r\n\r\n",
    b"GET http://another.host/increment HTTP/1.1\r\n\r\n",
    b"GET /increment?" + b"a=%20&" * 1365 + b" HTTP/1.1\r\n\r\n",
    b"GET /increment HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
    POST + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
    POST + b"Transfer-Encoding: chunked\r\n\r\n4;x=y\r\nbody\r\n0\r\n\r\n",
    POST + b"Content-Length: 60000\r\n\r\n" + bytes(60_000),
]


class Bystander:
    """Somebody who goes on asking, each time on a connection of its own."""

    def __init__(self, replica: Replica) -> None:
        self.answered: Counter[str] = Counter()
        self.failures: list[object] = []
        self._replica = replica
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()

    def leave(self) -> None:
        self._done.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._done.is_set():
            for path in ("/static", "/healthz", "/increment"):
                self._ask(path)

    def _ask(self, path: str) -> None:
        try:
            answer = self._replica.get(path)
        except Exception as error:  # it is the test that fails, in the end
            self.failures.append(error)
            return
        self.answered[path] += 1
        if answer.status != 200:
            self.failures.append(answer)


@pytest.fixture
def replica(system: System) -> Iterator[Replica]:
    with unharmed_replica(system) as replica:
        yield replica


# Each of these does its worst and returns how many increments it may have had counted.


def _send_what_is_refused(replica: Replica) -> range:
    for request, (status, words) in REFUSED.items():
        answer = replica.ask(request)
        assert (answer.status, words in answer["message"]) == (status, True), (request[:80], answer)
    return range(1)


def _send_what_is_unusual(replica: Replica) -> range:
    values = [replica.ask(request).count for request in COUNTED]
    assert values == sorted(set(values))
    return _exactly(len(COUNTED))


def _send_garbage(replica: Replica) -> range:
    source = random.Random(6)
    for _ in range(200):
        answer = replica.ask(source.randbytes(4096) + b"\r\n\r\n")
        assert (answer.status, "Bad Request" in answer["message"]) == (400, True)
    return range(1)


def _send_slowly(replica: Replica) -> range:
    """Each of 200 clients sends a byte now and then."""
    with _connected(replica, 200) as connections, selectors.DefaultSelector() as waiting:
        for connection in connections:
            connection.sendall(b"GET /increment HTTP/1.1\r\nX-Slow: ")
            waiting.register(connection, selectors.EVENT_READ)
        deadline = time.monotonic() + PATIENCE
        while waiting.get_map():
            assert time.monotonic() < deadline, f"{len(waiting.get_map())} are let in for ever"
            for key, _ in waiting.select(timeout=0.5):
                assert isinstance(key.fileobj, socket.socket)
                waiting.unregister(key.fileobj)
                assert [answer.status for answer in answers(key.fileobj)] == [408]
            for connection in connections:
                if connection.fileno() in waiting.get_map():
                    connection.send(b"x")
    return range(1)


def _send_many_at_once(replica: Replica) -> range:
    with _connected(replica, 20) as connections:
        for connection in connections:
            connection.sendall(INCREMENT * 100)
        told = [_counts(connection, 100) for connection in connections]
    assert all(values == sorted(values) for values in told)
    assert len({value for values in told for value in values}) == 2000
    return _exactly(2000)


def _read_nothing(replica: Replica) -> range:
    """While the answers to many requests are under way."""
    with _connected(replica, 20) as connections:
        for connection in connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(b"GET /static HTTP/1.1\r\n\r\n" * 300)
        time.sleep(2)
    return range(1)


def _say_all_before_the_answer(replica: Replica) -> range:
    """Each of 50 clients closes its half of the connection."""
    with _connected(replica, 50) as connections:
        for connection in connections:
            connection.sendall(INCREMENT * 2)
            connection.shutdown(socket.SHUT_WR)
        told = [[answer.count for answer in answers(connection)] for connection in connections]
    assert [len(values) for values in told] == [2] * 50
    return _exactly(100)


def _leave_in_the_middle(replica: Replica) -> range:
    """Of an answer, and of a request; without a word."""
    for number in range(200):
        with closing(replica.connect()) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(INCREMENT * 3 if number % 2 else INCREMENT[:-10])
    return range(301)


def _send_urgent_data(replica: Replica) -> range:
    """Which HTTP does not know, and which would wake a loop that takes note of it again and again."""
    with _connected(replica, 50) as connections:
        for connection in connections:
            connection.send(b"!", socket.MSG_OOB)
        time.sleep(3)
    return range(1)


def _come_in_crowds(replica: Replica) -> range:
    """More clients than it has room for, who only stand around."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    try:
        with _connected(replica, 1200):
            time.sleep(5)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return range(1)


ATTACKS = [
    _send_what_is_refused,
    _send_what_is_unusual,
    _send_garbage,
    _send_slowly,
    _send_many_at_once,
    _read_nothing,
    _say_all_before_the_answer,
    _leave_in_the_middle,
    _send_urgent_data,
    _come_in_crowds,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__[1:])
def test_others_are_served_and_the_count_is_exact(replica: Replica, attack: Callable[[Replica], range]) -> None:
    before = replica.count()
    with _bystander(replica) as bystander:
        counted = attack(replica)
    eventually("no connection left", lambda: replica.connections() == 0)
    assert bystander.failures == []
    assert min(bystander.answered.values()) > 0
    assert replica.count() - before - bystander.answered["/increment"] in counted


def test_its_memory_does_not_grow(replica: Replica) -> None:
    for attack in ATTACKS:  # so that it has all that it will ever need
        attack(replica)
    eventually("no connection left", lambda: replica.connections() == 0)
    before = replica.memory()
    for attack in ATTACKS:
        attack(replica)
    eventually("no connection left", lambda: replica.connections() == 0)
    print(f"{before / 1e6:.1f} MB of memory before, {replica.memory() / 1e6:.1f} MB after")
    assert replica.memory() < before + MEMORY_NOISE


@contextmanager
def _bystander(replica: Replica) -> Iterator[Bystander]:
    bystander = Bystander(replica)
    try:
        eventually("the first answers", lambda: bystander.answered["/increment"] or bystander.failures)
        yield bystander
    finally:
        bystander.leave()


@contextmanager
def _connected(replica: Replica, clients: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(replica.connect())) for _ in range(clients)]


def _counts(connection: socket.socket, number: int) -> list[int]:
    """The values in the next so many answers."""
    return [answer.count for answer in islice(answers(connection), number)]


def _exactly(number: int) -> range:
    return range(number, number + 1)
