import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chaos import clients
from chaos.clients import Client, incrementing, read, settle
from chaos.history import Answer, History, keys
from chaos.system import System, eventually
from local.errors import LocalError
from local.layout import Layout

HERE = "127.0.0.1"


class Counter:
    """A counter in this process. `script` says how the next requests end: answered, refused, or with a broken line."""

    def __init__(self) -> None:
        self.count = 0
        self.under_key: dict[str, int] = {}
        self.script: list[str] = []
        self.connections: list[object] = []
        self._lock = threading.Lock()

    def serve(self) -> ThreadingHTTPServer:
        counter = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else the body waits for the headers to be acknowledged

            def do_GET(self) -> None:
                with counter._lock:
                    counter.connections.append(self.client_address)
                    ending = counter.script.pop(0) if counter.script else "answer"
                    value = counter.increment(self.headers["Idempotency-Key"])
                if ending == "break":
                    self.close_connection = True
                    return
                status, body = (503, b"unknown") if ending == "refuse" else (200, answered(value))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer((HERE, 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return server

    def increment(self, key: str | None) -> int:
        if key in self.under_key:
            return self.under_key[key]
        self.count += 1
        if key:
            self.under_key[key] = self.count
        return self.count


def answered(value: int) -> bytes:
    return json.dumps({"content": f"count value = {value}", "message": "Status OK"}).encode()


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def port(counter: Counter) -> Iterator[int]:
    server = counter.serve()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def system(port: int, monkeypatch: pytest.MonkeyPatch) -> System:
    monkeypatch.setattr(System, "addresses", [HERE, HERE, HERE])
    return System(Layout("none", 0), port)


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    made = Client([HERE], port)
    yield made
    made.close()


def test_a_client_keeps_its_connection(client: Client, counter: Counter) -> None:
    assert [client.increment().value for _ in range(5)] == [1, 2, 3, 4, 5]
    assert len(set(counter.connections)) == 1


def test_a_client_opens_another_connection_now_and_then(
    client: Client, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "INCREMENTS_PER_CONNECTION", 3)

    assert [client.increment().value for _ in range(7)] == [1, 2, 3, 4, 5, 6, 7]
    assert len(set(counter.connections)) == 3


@pytest.mark.parametrize("ending", ["break", "refuse"])
def test_after_an_error_a_client_opens_another_connection_and_sends_nothing_again(
    client: Client, counter: Counter, ending: str
) -> None:
    counter.script = ["answer", ending]

    answers = [client.increment() for _ in range(3)]

    assert [answer.value for answer in answers] == [1, None, 3]
    assert not answers[1].is_not_counted
    assert len(set(counter.connections)) == 2


def test_after_an_error_a_client_asks_at_the_next_address(port: int) -> None:
    with socket.create_server(("127.0.0.2", 0)) as closed:
        refusing = closed.getsockname()[1]
    assert refusing != port
    client = Client(["127.0.0.2", HERE], port)  # where nobody listens on this port

    answers = [client.increment(), client.increment()]
    client.close()

    assert [(answer.value, answer.is_not_counted) for answer in answers] == [(None, True), (1, False)]


def test_a_client_does_not_wait_for_ever() -> None:
    with socket.create_server((HERE, 0)) as silent:
        client = Client([HERE], silent.getsockname()[1], timeout=0.01)
        answer = client.increment("a")
        client.close()

    assert (answer.value, answer.key, answer.is_not_counted) == (None, "a", False)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, answered(17), (17, False)),
        (503, b'{"message": "... this increment was not counted. Please try again."}', (None, True)),
        (503, b'{"message": "... it may or may not have been counted."}', (None, False)),
        (429, b'{"message": "too many keys"}', (None, True)),
        (500, b"", (None, False)),
    ],
)
def test_what_an_answer_tells(status: int, body: bytes, told: tuple[int | None, bool]) -> None:
    assert read(status, body) == told


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"content": "count value = many"}'])
def test_a_good_answer_must_tell_a_value(body: bytes) -> None:
    with pytest.raises(LocalError, match="without a value"):
        read(200, body)


def asked(history: History, least: int) -> Callable[[], bool]:
    return lambda: history.told >= least


def test_clients_increment_together_and_some_under_keys(system: System, counter: Counter) -> None:
    with incrementing(system, clients=4, keyed=2) as history:
        eventually("increments", asked(history, 40))

    assert history.errors == 0
    assert history.problems(0, counter.count) == []
    assert set(keys(history.answers)) == set(counter.under_key) != set()
    assert len(keys(history.answers)) < history.told


def test_a_key_is_repeated_until_it_has_its_value(
    system: System, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "PAUSE", 0)
    counter.script = ["break", "refuse", "answer"]
    with incrementing(system, clients=1, keyed=1) as history:
        eventually("increments", asked(history, 3))

    first = [answer.key for answer in history.answers[:3]]
    assert len(set(first)) == 1
    assert history.problems(0, counter.count) == []


def test_what_is_in_doubt_is_settled_by_its_key(system: System, counter: Counter) -> None:
    history = History()
    history.record(Answer(1, 2, None, "counted"))
    history.record(Answer(1, 2, None, "lost on its way"))
    history.record(Answer(1, 2, None))
    counter.increment("counted")

    settle(system, history)

    assert history.values == [1, 2]
    assert history.problems(0, counter.count) == []


def test_a_key_that_has_its_value_must_be_told_the_same_again(system: System) -> None:
    """Its record is gone here, so the repeat is counted anew."""
    history = History()
    history.record(Answer(1, 2, 7, "forgotten"))

    settle(system, history)

    assert "keys that were told different values: forgotten" in history.problems(0, 7)
