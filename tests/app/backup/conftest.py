import threading
from collections.abc import Iterator
from typing import Any

import pytest
from waitress import create_server, wasyncore  # type: ignore[import-untyped]  # waitress ships no types

from backup.api import SLOW_AT_ONCE, create_app
from backup.metrics import Metrics
from tests.app.backup.fake_core import FakeCore


@pytest.fixture
def core() -> Iterator[FakeCore]:
    core = FakeCore()
    yield core
    core.close()


@pytest.fixture
def port(core: FakeCore) -> Iterator[int]:
    """The port of 127.0.0.1 at which backup's HTTP interface is served."""
    sockets: dict[int, Any] = {}
    app = create_app(core, Metrics())
    server = create_server(app, map=sockets, host="127.0.0.1", port=0, threads=SLOW_AT_ONCE + 2)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            wasyncore.loop(timeout=1, count=1, map=sockets)

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.effective_port
    core.close()
    ended.set()
    server.trigger.pull_trigger()
    thread.join(timeout=10)
    server.task_dispatcher.shutdown()
    wasyncore.close_all(sockets)
