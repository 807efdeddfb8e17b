"""A replica's memory does not depend on how many requests and connections there have been. `make soak` tries more."""

import os
import socket
import struct
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from chaos.system import System
from tests.e2e.replica import Replica, answers, unharmed_replica

CONNECTIONS = int(os.environ.get("CONNECTIONS") or 1000)
CLIENTS = 8

# Bytes. What a replica may hold, and by how much that may differ between two times.
LIMIT = 100 * 1024 * 1024
NOISE = 4 * 1024 * 1024

# How often the memory is looked at, and how many of these times it may still grow.
LOOKS = 20
WARM_UP = 5

# Sent on each connection, with the status of the answer.
REQUESTS = [
    *[(b"GET /static HTTP/1.1\r\n\r\n", 200)] * 4,
    *[(b"GET /increment HTTP/1.1\r\n\r\n", 200)] * 4,
    *[(b"GET /healthz HTTP/1.1\r\n\r\n", 200)] * 2,
    (b"GET /fetch HTTP/1.1\r\n\r\n", 200),
    (b"GET /version HTTP/1.1\r\n\r\n", 200),
    (b"GET /metrics HTTP/1.1\r\n\r\n", 200),
    (b"POST /increment HTTP/1.1\r\nIdempotency-Key: %(new)s\r\nContent-Length: 10000\r\n\r\n" + bytes(10_000), 200),
    (b"GET /%(new)s HTTP/1.1\r\nX-Request-Id: %(new)s\r\nX-%(new)s: %(new)s\r\n\r\n", 404),
    (b"GET /static?%(new)s=" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n", 200),
    (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n", 404),
    (b"DELETE /increment HTTP/1.1\r\n\r\n", 405),
    (b"GET /increment HTTP/1.1\r\nIdempotency-Key: not %(new)s\r\n\r\n", 400),
    (b"GET /increment HTTP/1.1\r\nPurpose: prefetch\r\n\r\n", 403),
]


def test_memory_stays_what_it_is(system: System) -> None:
    with unharmed_replica(system) as replica, ThreadPoolExecutor(CLIENTS) as clients:
        seen = [replica.memory()]
        for look in range(1, LOOKS + 1):
            for _ in clients.map(lambda number: _use(replica, number), range(CONNECTIONS // LOOKS)):
                pass
            seen.append(replica.memory())
            made = look * (CONNECTIONS // LOOKS)
            print(f"{made} connections, {made * len(REQUESTS)} requests: {seen[-1] / 2**20:.1f} MiB", flush=True)
    assert max(seen) < LIMIT
    assert max(seen[WARM_UP:]) < seen[WARM_UP] + NOISE


def _use(replica: Replica, number: int) -> None:
    """Make a connection, send all kinds of requests, and end it in one way or another."""
    with closing(replica.connect()) as connection:
        received = answers(connection)
        for request, status in REQUESTS:
            connection.sendall(request.replace(b"%(new)s", uuid.uuid4().hex.encode()))
            assert next(received).status == status
        ENDS[number % len(ENDS)](connection)


def _in_good_order(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)
    assert list(answers(connection)) == []


def _with_an_error(connection: socket.socket) -> None:
    connection.sendall(b"no request\r\n\r\n")
    assert [answer.status for answer in answers(connection)] == [400]


def _in_the_middle(connection: socket.socket) -> None:
    connection.sendall(b"GET /increment HTTP/1.1\r\n\r\n" * 2 + b"POST /increment")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


ENDS: list[Callable[[socket.socket], None]] = [_in_good_order, _with_an_error, _in_the_middle]
