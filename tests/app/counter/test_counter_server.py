"""The server, on a port of this machine."""

import http.client
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any

import falcon
import pytest
from prometheus_client import generate_latest

from counter import channel, loop
from counter import server as module
from counter.api import BEGUN
from counter.channel import Channel
from counter.metrics import Metrics
from counter.observed import ObservedApp
from counter.parser import Parser
from counter.server import Server
from tests.app.counter.until import PATIENCE, until

# Bytes of the largest answer.
LARGE = 64 * 1024


class Quick:
    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        response.data = b"quick"

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        response.data = request.bounded_stream.read()


class Slow:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.data = request.env[BEGUN].result()


class Large:
    """An answer that takes more room than most."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        response.data = bytes(LARGE)


class Streamed:
    """An answer of which nobody knows the length before it ends."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        response.stream = iter([b"one", b"two"])


class Broken:
    def on_get(self, _request: falcon.Request, _response: falcon.Response) -> None:
        raise RuntimeError("a secret")


class Running:
    """A server at work.

    Attributes:
        slow: What requests of /slow wait for.
        begun: The paths that were asked for.
        when_begun: What else happens then, by path, in the server's thread.
    """

    def __init__(self, lingering: float) -> None:
        self.slow: list[Future[bytes]] = []
        self.begun: list[str] = []
        self.when_begun: dict[str, Callable[[], object]] = {}
        app = falcon.App()
        app.add_route("/quick", Quick())
        app.add_route("/slow", Slow())
        app.add_route("/large", Large())
        app.add_route("/streamed", Streamed())
        app.add_route("/broken", Broken())
        self.metrics = Metrics(["/quick", "/slow"], {})
        self.server = Server(ObservedApp(app, self.metrics), self._begin, 0, threading.Event(), lingering)
        self.port = int(self.server.effective_port)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def _begin(self, environ: Mapping[str, Any]) -> Future[bytes] | None:
        path = environ["PATH_INFO"]
        self.begun.append(path)
        if path in self.when_begun:
            self.when_begun[path]()
        if path != "/slow":
            return None
        self.slow.append(Future())
        return self.slow[-1]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def ask(self, path: str) -> "Client":
        client = Client(self.connect())
        client.ask(path)
        return client

    def until_slow(self, requests: int) -> None:
        until(lambda: len(self.slow) == requests)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


class Client:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._received = connection.makefile("rb")

    def ask(self, path: str, *headers: str, body: bytes = b"") -> None:
        lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", "Host: test", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def head(self) -> tuple[int, Message]:
        """The status and the headers of the next answer."""
        status = int(self._received.readline().split()[1])
        headers = http.client.parse_headers(self._received)
        assert "Server" not in headers, "nobody need know what serves"
        return status, headers

    def answer(self) -> Answer:
        """The next answer."""
        status, headers = self.head()
        return Answer(status, headers, self._received.read(int(headers["Content-Length"])))

    def answered(self) -> tuple[int, bytes]:
        """The status and the body of the next answer."""
        answer = self.answer()
        return answer.status, answer.body

    def to_the_end(self) -> bytes:
        """All that comes until the server closes the connection."""
        return self._received.read()

    def close(self) -> None:
        self._received.close()  # which keeps the connection open, too
        self.connection.close()

    def is_closed(self) -> bool:
        """Whether the server closes the connection, without another word."""
        return self._received.read(1) == b""


GET = b"GET %s HTTP/1.1\r\n\r\n"


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Running]]:
    """Start a server; all are stopped in the end."""
    monkeypatch.setattr(module, "_LOOK_INTERVAL", 0.05)
    monkeypatch.setattr(module, "_JUST_MADE", 0.1)
    with ExitStack() as stack:

        def start(lingering: float = 0.0) -> Running:
            running = Running(lingering)
            stack.callback(running.thread.join, PATIENCE)
            stack.callback(running.server.stop)
            return running

        yield start


@pytest.fixture
def running(start: Callable[..., Running]) -> Running:
    return start()


def test_one_connection_serves_many_requests(running: Running) -> None:
    client = running.ask("/quick")
    assert client.answered() == (200, b"quick")
    client.ask("/quick", body=b"a body")
    assert client.answered() == (200, b"a body")
    client.ask("/quick", "Connection: keep-alive")
    assert client.answered() == (200, b"quick")
    client.ask("/quick", "Connection: close")
    assert client.answered() == (200, b"quick")
    assert client.is_closed()


def test_what_is_asked_the_same_again_is_read_once(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    parse_header = Parser.parse_header

    def note(parser: Parser, header: bytes) -> None:
        read.append(header)
        parse_header(parser, header)

    monkeypatch.setattr(Parser, "parse_header", note)
    client = Client(running.connect())
    ids = ["mine", "mine", "yours", "yours", "mine"]
    for request_id in ids:
        client.ask("/quick", f"X-Request-Id: {request_id}")
        assert client.answer().headers["X-Request-Id"] == request_id
    assert [b"mine" in header for header in read] == [True, False, True]


def test_what_is_asked_the_same_again_is_answered_anew(running: Running) -> None:
    client = Client(running.connect())
    client.connection.sendall(GET % b"/quick" * 3 + GET % b"/quick/too" + b"\r\n" + GET % b"/quick")
    answers = [client.answer() for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 404, 200]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 5


def test_the_same_with_another_body_is_not_the_same(running: Running) -> None:
    client = Client(running.connect())
    for body in (b"one", b"two"):
        client.ask("/quick", body=body)
        assert client.answered() == (200, body)


def test_the_headers_of_an_answer(running: Running) -> None:
    client = running.ask("/quick")
    before = datetime.now(UTC).replace(microsecond=0)
    headers = client.answer().headers
    assert sorted(headers) == ["Content-Length", "Content-Type", "Date", "X-Request-Id"]
    assert before <= parsedate_to_datetime(headers["Date"]) <= datetime.now(UTC)
    assert headers["Content-Length"] == "5"


def test_an_answer_of_unknown_length_ends_with_its_connection(running: Running) -> None:
    client = running.ask("/streamed")
    _, headers = client.head()
    assert (headers["Transfer-Encoding"], headers["Connection"]) == ("chunked", "close")
    assert client.to_the_end() == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


def test_hundreds_of_waiting_clients_do_not_keep_others_out(running: Running) -> None:
    waiting = [running.ask("/slow") for _ in range(300)]
    running.until_slow(300)
    assert running.ask("/quick").answered() == (200, b"quick")
    for work in running.slow:
        work.set_result(b"slow")
    assert [client.answered() for client in waiting] == [(200, b"slow")] * 300


def test_requests_of_one_connection_are_answered_in_their_order(running: Running) -> None:
    client = running.ask("/slow")
    client.ask("/quick")
    client.ask("/slow")
    running.until_slow(1)
    running.slow[0].set_result(b"first")
    assert client.answered() == (200, b"first")
    assert client.answered() == (200, b"quick")
    running.until_slow(2)
    running.slow[1].set_result(b"last")
    assert client.answered() == (200, b"last")


def test_all_of_many_requests_that_come_at_once_are_answered_in_their_order(running: Running) -> None:
    bodies = [str(number).encode() for number in range(1000)]
    client = Client(running.connect())
    lengths = b"POST /quick HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s"
    client.connection.sendall(b"".join(lengths % (len(body), body) for body in bodies))
    assert [client.answered() for _ in bodies] == [(200, body) for body in bodies]


def test_answers_of_one_turn_are_sent_when_all_are_made(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def note(name: str) -> None:
        method = getattr(Channel, name)

        def noted(connection: Channel) -> None:
            done.append(name)
            method(connection)

        monkeypatch.setattr(Channel, name, noted)

    def settle() -> None:
        for work in running.slow:
            work.set_result(b"slow")

    note("answer")
    note("handle_write")
    clients = [running.ask("/slow") for _ in range(3)]
    running.until_slow(3)
    running.server.loop.call_soon(settle)
    assert [client.answered() for client in clients] == [(200, b"slow")] * 3
    assert done == ["answer"] * 3 + ["handle_write"] * 3


def test_who_sends_many_requests_at_once_does_not_keep_others_waiting(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_CALLS_AT_ONCE", 1)
    many, other = Client(running.connect()), running.ask("/quick")
    assert other.answered() == (200, b"quick")
    running.when_begun["/first"] = lambda: other.ask("/other")
    many.connection.sendall(GET % b"/first" + GET % b"/quick" * 300)
    assert [many.answer().status for _ in range(301)] == [404] + [200] * 300
    assert running.begun.index("/other") < 10


def test_a_client_that_reads_nothing_is_not_served_on(running: Running) -> None:
    client = Client(running.connect())
    client.connection.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.connection.sendall(GET % b"/large" * 1_000_000)
    assert running.ask("/quick").answered() == (200, b"quick")
    client.connection.settimeout(PATIENCE)
    assert client.answered() == (200, bytes(LARGE))


def test_a_client_that_reads_nothing_is_cut_off(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE", 0.1)
    client = Client(running.connect())
    client.connection.sendall(GET % b"/large" * 300)
    until(lambda: running.begun)
    until(lambda: not running.server.active_channels)


def test_a_long_connection_does_not_cost_more_memory_with_each_answer(running: Running) -> None:
    client = running.ask("/large")
    client.answer()
    tracemalloc.start()
    try:
        for _ in range(100):
            client.ask("/large")
            client.answer()
        assert tracemalloc.get_traced_memory()[0] < 10 * LARGE
    finally:
        tracemalloc.stop()


def test_who_has_said_all_it_will_say_is_answered_nevertheless(running: Running) -> None:
    client = running.ask("/slow")
    client.ask("/quick")
    client.connection.shutdown(socket.SHUT_WR)
    running.until_slow(1)
    running.slow[0].set_result(b"slow")
    assert [client.answered(), client.answered()] == [(200, b"slow"), (200, b"quick")]
    assert client.is_closed()


def test_a_client_that_left_while_it_waited_disturbs_nobody(running: Running) -> None:
    running.ask("/slow").connection.close()
    running.until_slow(1)
    running.slow[0].set_result(b"slow")
    assert running.ask("/quick").answered() == (200, b"quick")
    until(lambda: not running.server.active_channels)


@pytest.mark.parametrize(
    ("request_bytes", "status", "words"),
    [
        (b"GET /quick HTTP/1.1\r\nX-Large: " + b"x" * 20_000 + b"\r\n\r\n", 431, "exceeds max_header"),
        (b"POST /quick HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * 70_000, 413, "exceeds max_body"),
        (b"GET /quick HTTP/1.1\r\nno colon\r\n\r\n", 400, "Invalid header"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400, "Bad Request"),
        (b"POST /quick HTTP/1.1\r\nTransfer-Encoding: other\r\n\r\n", 501, "Not Implemented"),
        (b"POST /quick HTTP/1.1\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n", 413, "exceeds max_body"),
        (b"POST /quick HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n" + b"x" * 70_000, 413, "exceeds"),
    ],
)
def test_what_is_no_fit_request_is_refused_in_json(
    running: Running, request_bytes: bytes, status: int, words: str
) -> None:
    client = Client(running.connect())
    client.connection.sendall(request_bytes)
    answer = client.answer()
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    assert words in json.loads(answer.body)["message"]
    assert running.ask("/quick").answered() == (200, b"quick")


def test_who_still_sends_what_is_refused_gets_to_read_why(running: Running) -> None:
    client = Client(running.connect())
    client.connection.sendall(b"POST /quick HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n" + bytes(10_000_000))
    assert client.answered()[0] == 413
    assert client.is_closed()


def test_nothing_is_answered_after_a_refusal(running: Running) -> None:
    client = Client(running.connect())
    client.connection.sendall(b"no request\r\n\r\n" + GET % b"/slow")
    assert client.answered()[0] == 400
    assert client.is_closed()
    assert not running.slow


def test_who_does_not_hang_up_after_a_refusal_is_cut_off(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "_HEARING_OUT", 0.1)
    client = Client(running.connect())
    client.connection.sendall(b"no request\r\n\r\n")
    assert client.answered()[0] == 400
    until(lambda: not running.server.active_channels)


def test_a_client_may_wait_to_be_told_to_send_its_body(running: Running) -> None:
    client = Client(running.connect())
    client.ask("/quick", "Expect: 100-continue", "Content-Length: 6")
    assert client.connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.connection.sendall(b"a body")
    assert client.answer().status == 200


def test_it_is_not_told_so_without_a_body(running: Running) -> None:
    client = Client(running.connect())
    for _ in range(2):
        client.ask("/quick", "Expect: 100-continue")
    assert [client.answered(), client.answered()] == [(200, b"quick")] * 2


def test_urgent_data_wakes_nobody(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    client = running.ask("/quick")
    assert client.answered() == (200, b"quick")
    turn = running.server.loop.turn
    turns = []

    def counted(seconds: float) -> None:
        turns.append(seconds)
        turn(seconds)

    monkeypatch.setattr(running.server.loop, "turn", counted)
    client.connection.send(b"!", socket.MSG_OOB)
    for _ in range(5):
        assert running.ask("/quick").answered() == (200, b"quick")
    assert len(turns) < 50
    client.connection.sendall(GET % b"/quick")
    assert client.answered() == (200, b"quick")


def test_work_that_can_not_be_begun_costs_one_connection(running: Running) -> None:
    def fail() -> None:
        raise RuntimeError("this can't be begun")

    running.when_begun["/impossible"] = fail
    client = Client(running.connect())
    client.connection.sendall(GET % b"/quick" + GET % b"/impossible")
    assert client.answered() == (200, b"quick")
    assert client.is_closed()
    assert running.ask("/quick").answered() == (200, b"quick")


def test_an_application_that_fails_gets_its_client_a_500(running: Running) -> None:
    status, body = running.ask("/broken").answered()
    assert status == 500
    assert b"secret" not in body
    assert running.ask("/quick").answered() == (200, b"quick")


def test_every_answer_is_in_the_metrics_with_the_time_that_it_took(running: Running) -> None:
    client = running.ask("/slow")
    running.until_slow(1)
    time.sleep(0.1)
    running.slow[0].set_result(b"slow")
    assert client.answered() == (200, b"slow")
    assert running.ask("/nothing").answered()[0] == 404
    client.connection.sendall(b"no request\r\n\r\n")
    assert client.answered()[0] == 400
    client.close()
    until(lambda: running.server.active_channels == {})
    told = generate_latest(running.metrics.registry).decode()
    assert 'counter_http_requests_total{code="200",route="/slow"} 1.0' in told
    assert 'counter_http_requests_total{code="404",route="other"} 1.0' in told
    assert 'counter_http_requests_total{code="400",route="other"} 1.0' in told
    assert 'counter_http_request_duration_seconds_bucket{le="0.1",route="/slow"} 0.0' in told
    assert 'counter_http_request_duration_seconds_bucket{le="5.0",route="/slow"} 1.0' in told


def test_a_request_that_comes_too_slowly_is_given_up(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ARRIVAL", 0.1)
    client = Client(running.connect())
    client.connection.sendall(b"GET /quick HTTP/1.1\r\nX-Slow: ")
    status, body = client.answered()
    assert status == 408
    assert "took longer" in json.loads(body)["message"]
    assert client.is_closed()


def test_a_connection_without_requests_is_closed(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE", 0.1)
    client = running.ask("/quick")
    assert client.answered() == (200, b"quick")
    assert client.is_closed()


def test_one_that_waits_for_its_answer_is_not(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE", 0.1)
    monkeypatch.setattr(module, "_ARRIVAL", 0.1)
    waiting, idle = running.ask("/slow"), Client(running.connect())
    assert idle.is_closed()
    running.slow[0].set_result(b"slow")
    assert waiting.answered() == (200, b"slow")


def test_idle_connections_make_room_when_it_gets_crowded(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CROWD", 5)
    monkeypatch.setattr(module, "_WHEN_CROWDED", 0.1)
    with ExitStack() as stack:
        idle = [Client(stack.enter_context(closing(running.connect()))) for _ in range(10)]
        assert all(client.is_closed() for client in idle)


@pytest.mark.parametrize("idle", [10, 20])
def test_who_comes_when_there_is_no_room_is_served_when_there_is(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch, idle: int
) -> None:
    monkeypatch.setattr(module, "_CONNECTIONS", 13)  # three of them are the server's own
    monkeypatch.setattr(module, "_CROWD", 5)
    monkeypatch.setattr(module, "_WHEN_CROWDED", 0.1)
    running = start()
    with ExitStack() as stack:
        for _ in range(idle):
            stack.enter_context(closing(running.connect()))
        clients = [running.ask("/quick") for _ in range(10)]
        assert [client.answered() for client in clients] == [(200, b"quick")] * 10


def test_who_waits_when_it_is_told_to_stop_is_answered_and_let_go(running: Running) -> None:
    client = running.ask("/slow")
    running.until_slow(1)
    running.server.stop()
    until(lambda: refuses(running))
    running.slow[0].set_result(b"slow")
    answer = client.answer()
    assert (answer.body, answer.headers["Connection"]) == (b"slow", "close")
    assert client.is_closed()
    running.thread.join(PATIENCE)
    assert not running.thread.is_alive()


def test_it_serves_on_for_a_while_but_keeps_no_connection(start: Callable[..., Running]) -> None:
    running = start(lingering=PATIENCE)
    old = running.ask("/quick")
    assert old.answered() == (200, b"quick")
    running.server.stop()
    for client in (old, Client(running.connect())):
        client.ask("/quick")
        answer = client.answer()
        assert (answer.body, answer.headers["Connection"]) == (b"quick", "close")
        assert client.is_closed()
    running.server.stop()
    until(lambda: refuses(running))


def test_an_old_client_is_not_told_both_to_keep_and_to_close_its_connection(start: Callable[..., Running]) -> None:
    running = start(lingering=PATIENCE)
    running.server.stop()
    client = Client(running.connect())
    client.connection.sendall(b"GET /quick HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert client.answer().headers.get_all("Connection") == ["close"]
    running.server.stop()


def test_a_connection_that_was_just_made_is_served(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_JUST_MADE", PATIENCE)
    running = start()
    client = Client(running.connect())
    running.server.stop()
    until(lambda: refuses(running))
    client.ask("/quick")
    assert client.answered() == (200, b"quick")


def test_a_connection_that_is_idle_in_the_end_is_closed(start: Callable[..., Running]) -> None:
    running = start()
    idle = running.ask("/quick")
    assert idle.answered() == (200, b"quick")
    running.server.stop()
    assert idle.is_closed()


def refuses(running: Running) -> bool:
    try:
        running.connect().close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False  # the port closed in the middle of this connection
    return False
