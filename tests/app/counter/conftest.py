import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import falcon.testing
import pytest

from counter.api import PATHS, Dependencies, create_app
from counter.metrics import Metrics
from counter.reads import Reads
from counter.records import RecordLeases
from counter.replica import Replica
from tests.app.counter.in_memory_etcd import InMemoryEtcd
from tests.app.counter.mishaps import PlannedEtcd


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
def etcd() -> PlannedEtcd:
    return PlannedEtcd()


@pytest.fixture
def records(etcd: PlannedEtcd) -> RecordLeases:
    return RecordLeases(etcd)


@pytest.fixture
def store() -> InMemoryEtcd:
    return InMemoryEtcd()


@pytest.fixture
def replica(store: InMemoryEtcd) -> Iterator[Replica]:
    """A replica that does not keep its clients waiting for long."""
    with closing(Replica(store, patience=0.2)) as replica:
        yield replica
        store.away = store.loses_replies = False  # so that it need not try for long to leave in good order


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def dependencies(store: InMemoryEtcd, replica: Replica, stopping: threading.Event) -> Iterator[Dependencies]:
    with closing(Reads(store.count_members)) as members:
        metrics = Metrics(PATHS, {})
        yield Dependencies(replica, members, stopping.is_set, metrics, {"version": "abc"}, pod="pod-1", node="node-1")


@pytest.fixture
def client(dependencies: Dependencies) -> falcon.testing.TestClient:
    return falcon.testing.TestClient(create_app(dependencies))


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
