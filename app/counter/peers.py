"""How replicas hand batches to one another: a line asks, a line answers, on a TCP connection that is kept.

| line                            | what it says                                                            |
| ------------------------------- | ----------------------------------------------------------------------- |
| `ID REVISION TOTAL NUMBER SIZE` | Commit a batch of so many: the shard, its revision, and its new value.  |
| `REVISION COUNT CLUSTER`        | It is committed. COUNT is the count after it, or `?` if nobody knows.   |
| `no`                            | It is not committed by this, and will not be.                           |
| `unknown`                       | etcd did not answer: nobody knows.                                      |

Nor does anybody know after a connection that ends without an answer. Nobody can ask for more than what a replica does
with its shard: the transaction is made here.
"""

import logging
import re
import select
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress

from counter.transactions import Commit, Committed, Shard
from etcd.errors import EtcdUnavailableError
from etcd.keys import ShardValue

_log = logging.getLogger(__name__)

# Seconds after which a peer seems to hang, which costs all who wait for the batch as much. A commit takes milliseconds,
# and the election of a leader so long that it is better to do without a peer in between.
PATIENCE = 0.3

# Seconds between two looks whether the server is to be closed.
_CLOSING_INTERVAL = 0.1

_MOST_PEERS = 100
_LONGEST_LINE = 200
_ASKED = re.compile(rb"([0-9a-z]{1,40}) ([0-9]{1,19}) ([0-9]{1,19}) ([0-9]{1,19}) ([0-9]{1,9})\n")
_COMMITTED = re.compile(rb"([0-9]{1,19}) ([0-9]{1,19}|\?) ([0-9]{1,20})\n")
_NO = b"no\n"
_UNKNOWN = b"unknown\n"


class PeerLostError(EtcdUnavailableError):
    """A peer did not answer, and may have committed the batch all the same, or may still do so."""


class Peer:
    """A connection to another replica. For use by one thread at a time."""

    def __init__(self, address: str) -> None:
        """Connect to HOST:PORT. Raises OSError, and ValueError if that is no address."""
        self.address = address
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    def commit(self, commit: Commit) -> Committed | None:
        """Have a batch committed. None: it was not by this, nor will be.

        Raises EtcdUnavailableError if nobody knows: PeerLostError if it was the peer that did not answer.
        """
        if self.is_over():
            return None
        try:
            self._socket.sendall(_asking(commit))
            answer = self._answers.readline(_LONGEST_LINE)
        except OSError as error:
            raise PeerLostError(f"{self.address}: {error}") from error
        if answer == _NO:
            return None
        if answer == _UNKNOWN:
            raise EtcdUnavailableError(f"so says {self.address}")
        match = _COMMITTED.fullmatch(answer)
        if match is None:
            raise PeerLostError(f"{self.address}: answered {answer!r}")
        revision, count, cluster = match.groups()
        return Committed(int(revision), None if count == b"?" else int(count), int(cluster))

    def is_over(self) -> bool:
        """Whether the peer has ended the connection, or says what it was not asked."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def close(self) -> None:
        self._answers.close()
        self._socket.close()


class PeerServer(socketserver.ThreadingTCPServer):
    """Takes batches from other replicas. There are few: each has a thread."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, commit: Callable[[Commit], Committed | None]) -> None:
        """Listen, at any port if it is 0. `commit` is called for each batch, by many threads. Raises OSError."""
        super().__init__(("0.0.0.0", port), _Handler)
        self.commit = commit
        self.connections: set[socket.socket] = set()
        threading.Thread(target=self.serve_forever, args=(_CLOSING_INTERVAL,), name="peers", daemon=True).start()

    def verify_request(self, *_: object) -> bool:
        """Whether there is room for another connection. Called by socketserver."""
        return len(self.connections) < _MOST_PEERS

    @property
    def port(self) -> int:
        port: int = self.server_address[1]
        return port

    def close(self) -> None:
        """Take no more, and end all connections."""
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with suppress(OSError):  # it has ended already
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, _request: object, client_address: object) -> None:
        """Called by socketserver when a thread fails, which ends the connection and nothing else."""
        _log.exception("a batch of %s failed", client_address)


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: PeerServer

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.server.connections.add(self.connection)

    def handle(self) -> None:
        try:
            while asked := self.rfile.readline(_LONGEST_LINE):
                self.wfile.write(self._answer(asked))
        except OSError:
            return  # the peer has gone
        except ValueError as error:
            _log.warning("%s asks for what no replica does: %s", self.client_address[0], error)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def _answer(self, asked: bytes) -> bytes:
        try:
            committed = self.server.commit(_asked(asked))
        except EtcdUnavailableError:
            return _UNKNOWN
        if committed is None:
            return _NO
        count = "?" if committed.count is None else committed.count
        return f"{committed.revision} {count} {committed.cluster}\n".encode()


def _asking(commit: Commit) -> bytes:
    before, after = commit.before, commit.after
    return f"{before.id} {before.revision} {after.total} {after.batch} {commit.size}\n".encode()


def _asked(line: bytes) -> Commit:
    """Raises ValueError."""
    match = _ASKED.fullmatch(line)
    if match is None:
        raise ValueError(f"{line!r} is not `ID REVISION TOTAL NUMBER SIZE`")
    revision, total, number, size = map(int, match.groups()[1:])
    if not 0 < size <= total:
        raise ValueError(f"{line!r} has a size that is not between 1 and the total")
    before = Shard(match[1].decode(), ShardValue(total - size, 0), revision)
    return Commit(before, ShardValue(total, number))
