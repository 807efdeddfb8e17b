"""Clients that increment, each on a connection of its own, and remember every answer."""

import http.client
import itertools
import json
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial

from chaos.history import Answer, History, keys
from chaos.system import System, eventually
from local.errors import LocalError

# Seconds after which a client hangs up and asks anew: another replica, perhaps.
TIMEOUT = 1.0

# Seconds for which a client waits after an error.
PAUSE = 0.1

# After so many increments a client opens a new connection, so that a replica that comes back gets some again.
INCREMENTS_PER_CONNECTION = 100

# How many keys that have their value are repeated in the end.
REPEATED = 200


class Client:
    """Keeps its connection while it gets values, and opens one at the next address when it gets none.

    No library's, so that nothing is sent twice.
    """

    def __init__(self, addresses: Sequence[str], port: int, timeout: float = TIMEOUT) -> None:
        """`timeout` is in seconds; after it the client hangs up."""
        self._addresses = itertools.cycle(addresses)
        self._port = port
        self._timeout = timeout
        self._connection = self._at_next_address()
        self._asked = 0

    def increment(self, key: str | None = None) -> Answer:
        """Increment once."""
        asked = time.monotonic()
        value, is_not_counted = self._ask(key)
        at = time.monotonic()
        self._asked += 1
        if value is None or self._asked % INCREMENTS_PER_CONNECTION == 0:
            self.close()
            self._connection = self._at_next_address()
        return Answer(asked, at, value, key, is_not_counted)

    def close(self) -> None:
        self._connection.close()

    def _at_next_address(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(next(self._addresses), self._port, timeout=self._timeout)

    def _ask(self, key: str | None) -> tuple[int | None, bool]:
        try:
            if self._connection.sock is None:
                self._connection.connect()
        except OSError:
            return None, True  # nothing was sent
        try:
            self._connection.request("GET", "/increment", headers={"Idempotency-Key": key} if key else {})
            answer = self._connection.getresponse()
            return read(answer.status, answer.read())
        except (OSError, http.client.HTTPException):
            return None, False


def read(status: int, body: bytes) -> tuple[int | None, bool]:
    """The value that an answer tells, if any; and if not, whether it is known that nothing was counted.

    Raises LocalError if it should tell a value and does not.
    """
    if status == http.client.OK:
        try:
            content: str = json.loads(body)["content"]
            return int(content.removeprefix("count value = ")), False
        except (ValueError, KeyError, TypeError) as error:
            raise LocalError(f"/increment was answered without a value: {body!r}") from error
    return None, status == http.client.TOO_MANY_REQUESTS or b"not counted" in body


@contextmanager
def incrementing(system: System, clients: int = 4, *, keyed: int = 0, timeout: float = TIMEOUT) -> Iterator[History]:
    """Clients that go on incrementing while the block runs. So many of them use a new Idempotency-Key for each
    increment, and repeat it under the same key until it has its value. They hang up after `timeout` seconds."""
    history = History()
    stop = threading.Event()

    def work(number: int) -> None:
        key = None
        with closing(_client(system, number, timeout)) as client:
            while not stop.is_set():
                if number < keyed and key is None:
                    key = uuid.uuid4().hex
                answer = client.increment(key)
                history.record(answer)
                if answer.value is None:
                    stop.wait(PAUSE)
                else:
                    key = None

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(work, number) for number in range(clients)]
        try:
            yield history
        finally:
            stop.set()
        for future in running:
            future.result()


def settle(system: System, history: History) -> None:
    """Ask under every key that has no value until it has one; and under some that have: they must be told the same.

    Raises LocalError if a key never gets a value.
    """
    found = keys(history.answers)
    unsettled = [key for key, values in found.items() if not values]
    settled = [key for key, values in found.items() if values]
    some = settled[:: len(settled) // REPEATED + 1]
    with closing(_client(system, 0)) as client:
        for key in [*unsettled, *some]:
            eventually(f"a value under the key {key}", partial(_is_told, client, history, key))


def _is_told(client: Client, history: History, key: str) -> bool:
    answer = client.increment(key)
    history.record(answer)
    return answer.value is not None


def _client(system: System, number: int, timeout: float = TIMEOUT) -> Client:
    """Each begins with another node."""
    first = number % len(system.addresses)
    return Client([*system.addresses[first:], *system.addresses[:first]], system.port, timeout)
