import socket

import falcon.testing
import pytest

from counter.api import Dependencies, create_app
from counter.counting import Counter
from tests.app.counter.in_memory_etcd import InMemoryEtcd


@pytest.fixture
def store() -> InMemoryEtcd:
    return InMemoryEtcd()


@pytest.fixture
def client(store: InMemoryEtcd) -> falcon.testing.TestClient:
    counter = Counter(store, replica="pod-1")
    return falcon.testing.TestClient(create_app(Dependencies(counter, store.count_members, pod="pod-1", node="node-1")))


@pytest.fixture
def unused_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port
