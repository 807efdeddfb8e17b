"""Clients that increment and remember every answer."""

import http.client
import itertools
import json
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from tests.e2e.system import System, eventually

# Seconds after which a client hangs up and asks anew: another replica, perhaps.
CLIENT_TIMEOUT = 1.0


@dataclass
class History:
    """What clients were told: values of increments, when, and how many got none. Those with keys can be settled."""

    values: list[int] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    unacknowledged: int = 0
    unsettled: list[str] = field(default_factory=list)
    keyed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def increment(self, system: System, key: str | None = None) -> None:
        """Increment once, on a connection of its own, without any retry."""
        value = _ask(system, key)
        with self._lock:
            self.keyed += key is not None
            if value is not None:
                self.values.append(value)
                self.moments.append(time.monotonic())
            elif key is None:
                self.unacknowledged += 1
            else:
                self.unsettled.append(key)

    def settle(self, system: System) -> None:
        """Repeat what went unanswered, under the same keys, until each has its value."""
        for key in self.unsettled:
            eventually(f"an answer under {key}", partial(self._settled, system, key))
        self.unsettled = []

    def _settled(self, system: System, key: str) -> bool:
        value = _ask(system, key)
        if value is not None:
            self.values.append(value)
        return value is not None

    def check_exact(self, before: int, after: int) -> None:
        """No value was told twice, none that was told is lost, and nothing was counted that nobody asked for."""
        assert not self.unsettled
        assert len(set(self.values)) == len(self.values), "a value was told twice"
        assert all(before < value <= after for value in self.values)
        assert len(self.values) <= after - before <= len(self.values) + self.unacknowledged

    def longest_gap(self, begin: float, end: float) -> float:
        """The longest time in seconds without an answer, between two moments."""
        moments = [begin, *(moment for moment in self.moments if begin < moment < end), end]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))


def increment_many(system: System, total: int, clients: int) -> History:
    history = History()
    with ThreadPoolExecutor(clients) as pool:
        for future in [pool.submit(history.increment, system) for _ in range(total)]:
            future.result()
    return history


@contextmanager
def incrementing(system: System, clients: int = 4, *, keyed: int = 0) -> Iterator[History]:
    """Clients that go on incrementing while the block runs; so many of them with a key for each increment."""
    history = History()
    stop = threading.Event()

    def client(number: int) -> None:
        while not stop.is_set():
            history.increment(system, uuid.uuid4().hex if number < keyed else None)

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(client, number) for number in range(clients)]
        try:
            yield history
        finally:
            stop.set()
        for future in running:
            future.result()


def _ask(system: System, key: str | None) -> int | None:
    """The value of an increment, if there is an answer. A client of no library, so that nothing is sent twice."""
    connection = http.client.HTTPConnection(str(system.layout.nodes[0].address), system.port, timeout=CLIENT_TIMEOUT)
    try:
        connection.request("GET", "/increment", headers={"Idempotency-Key": key} if key else {})
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if answer.status != http.client.OK:
        return None
    return int(json.loads(body)["content"].removeprefix("count value = "))
