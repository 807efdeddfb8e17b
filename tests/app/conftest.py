import socket

import pytest

from tests.app.counter.in_memory_etcd import InMemoryEtcd


class Clock:
    """Stands still until a test moves it on."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> InMemoryEtcd:
    return InMemoryEtcd()


@pytest.fixture
def unused_ports() -> list[int]:
    """Two TCP ports of 127.0.0.1 that nothing listens on."""
    with socket.socket() as one, socket.socket() as another:
        for unused in (one, another):
            unused.bind(("127.0.0.1", 0))
        return [unused.getsockname()[1] for unused in (one, another)]


@pytest.fixture
def unused_port(unused_ports: list[int]) -> int:
    return unused_ports[0]
