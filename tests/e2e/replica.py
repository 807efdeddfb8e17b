"""One replica, asked at the address of its pod: it is always the same one that answers."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos import processes
from chaos.system import System

# Seconds. A client that gets no answer for so long has been let down.
PATIENCE = 10.0

# As the kernel numbers the states of sockets that their process has not closed: ESTABLISHED and CLOSE_WAIT.
_OPEN = {"01", "08"}


@dataclass(frozen=True)
class Answer:
    """What a client was answered."""

    status: int
    body: bytes

    def __getitem__(self, name: str) -> str:
        """What the body, in JSON, has under this name."""
        value: str = json.loads(self.body)[name]
        return value

    @property
    def count(self) -> int:
        return int(self["content"].removeprefix("count value = "))


@dataclass(frozen=True)
class Replica:
    """A replica, seen from this machine."""

    name: str
    address: str
    port: int
    process: int

    def connect(self) -> socket.socket:
        return socket.create_connection((self.address, self.port), timeout=PATIENCE)

    def ask(self, request: bytes) -> Answer:
        """The first answer to what is sent on a new connection."""
        with closing(self.connect()) as connection:
            connection.sendall(request)
            answer = next(answers(connection), None)
            assert answer is not None, f"{request[:80]!r} was not answered"
            return answer

    def get(self, path: str) -> Answer:
        return self.ask(b"GET %s HTTP/1.1\r\nHost: test\r\n\r\n" % path.encode())

    def count(self) -> int:
        return self.get("/fetch").count

    def connections(self) -> int:
        """How many connections to its port it has not closed."""
        sockets = [line.split()[1:4] for line in Path(f"/proc/{self.process}/net/tcp").read_text().splitlines()[1:]]
        port = f":{self.port:04X}"
        return sum(local.endswith(port) and state in _OPEN for local, _, state in sockets)

    def memory(self) -> int:
        """Bytes of memory that its process holds."""
        lines = Path(f"/proc/{self.process}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:"))


@contextmanager
def unharmed_replica(system: System) -> Iterator[Replica]:
    """A replica that must not have been restarted in the end, nor have anything to say of itself."""
    pod = system.ready_pods("counter")[0]
    name = pod["metadata"]["name"]
    [process] = processes.of_pod(system, pod)
    yield Replica(name, pod["status"]["podIP"], 8080, process)
    assert processes.of_pod(system, pod) == [process]
    log = system.kubectl("logs", name, "--tail=-1")
    assert "Traceback" not in log
    assert "uncaptured" not in log  # as waitress calls it


def answers(connection: socket.socket) -> Iterator[Answer]:
    """Whatever comes on a connection until it is closed."""
    with connection.makefile("rb") as received:
        while line := received.readline():
            status = int(line.split()[1])
            headers = http.client.parse_headers(received)
            if status != http.client.CONTINUE:
                yield Answer(status, received.read(int(headers["Content-Length"])))
