import threading
from collections.abc import Iterator
from contextlib import closing

import falcon.testing
import pytest

from counter import peers
from counter.api import PATHS, Dependencies, create_app
from counter.metrics import Metrics
from counter.reads import Reads
from counter.records import RecordLeases
from counter.replica import Replica
from tests.app.counter.in_memory_etcd import InMemoryEtcd
from tests.app.counter.mishaps import PlannedEtcd


@pytest.fixture(autouse=True)
def quick_to_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who takes batches of others waits for long until it sees that it is to end."""
    monkeypatch.setattr(peers, "_CLOSING_INTERVAL", 0.005)


@pytest.fixture
def etcd() -> PlannedEtcd:
    return PlannedEtcd()


@pytest.fixture
def records(etcd: PlannedEtcd) -> RecordLeases:
    return RecordLeases(etcd)


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
        yield Dependencies(
            replica, members, lambda: 3, stopping.is_set, metrics, {"version": "abc"}, pod="pod-1", node="node-1"
        )


@pytest.fixture
def client(dependencies: Dependencies) -> falcon.testing.TestClient:
    return falcon.testing.TestClient(create_app(dependencies))
