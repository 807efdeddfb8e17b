"""Clients that increment and remember every answer."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from tests.e2e.system import System


@dataclass
class History:
    """What clients were told: the values of acknowledged increments, and how many got no value."""

    values: list[int] = field(default_factory=list)
    unacknowledged: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def increment(self, system: System) -> None:
        """Increment once, on a connection of its own, without any retry."""
        try:
            answer = system.get("/increment")
        except requests.RequestException:
            answer = None
        with self._lock:
            if answer is not None and answer.status_code == 200:
                self.values.append(int(answer.json()["content"].removeprefix("count value = ")))
            else:
                self.unacknowledged += 1

    def check_exact(self, before: int, after: int) -> None:
        """No value was told twice, none that was told is lost, and nothing was counted that nobody asked for."""
        assert len(set(self.values)) == len(self.values), "a value was told twice"
        assert all(before < value <= after for value in self.values)
        assert len(self.values) <= after - before <= len(self.values) + self.unacknowledged


def increment_many(system: System, total: int, clients: int) -> History:
    history = History()
    with ThreadPoolExecutor(clients) as pool:
        for future in [pool.submit(history.increment, system) for _ in range(total)]:
            future.result()
    return history


@contextmanager
def incrementing(system: System, clients: int = 4) -> Iterator[History]:
    """Clients that go on incrementing while the block runs."""
    history = History()
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            history.increment(system)

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(client) for _ in range(clients)]
        try:
            yield history
        finally:
            stop.set()
        for future in running:
            future.result()
