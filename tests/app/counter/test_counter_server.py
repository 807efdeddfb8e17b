"""The server, in a process of its own: signals reach only a main thread."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

APP = Path(__file__).parents[3] / "app"

# /slow says that it has begun, and ends once standard input does.
PROGRAM = """
import logging, os, sys, threading
import falcon
from counter.server import serve

input_ended = threading.Event()

class Quick:
    def on_get(self, request, response):
        response.data = b"quick"

class Slow:
    def on_get(self, request, response):
        os.write(1, b"begun\\n")  # a line at once, whatever other threads write
        input_ended.wait()
        response.data = b"slow"

def wait_for_end_of_input():
    sys.stdin.read()
    input_ended.set()

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
threading.Thread(target=wait_for_end_of_input, daemon=True).start()
app = falcon.App()
app.add_route("/quick", Quick())
app.add_route("/slow", Slow())
serve(app, 0)
"""


class Server:
    """The program above, running."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"PYTHONPATH": str(APP)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.read_line().removeprefix("serving on port "))

    def get(self, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, body=body, headers=headers or {})
            response = connection.getresponse()
            assert response.getheader("Server") is None, "nobody need know what serves"
            return response.status, response.read()
        finally:
            connection.close()

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip()

    def end_slow_requests(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait_until_refusing(self) -> None:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                continue  # the port closed in the middle of this connection
        pytest.fail("the server still takes connections")


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_finishes_what_is_under_way(server: Server, stop: signal.Signals) -> None:
    with ThreadPoolExecutor() as threads:
        slow = threads.submit(server.get, "/slow")
        assert server.read_line() == "begun"
        server.process.send_signal(stop)
        server.wait_until_refusing()
        server.end_slow_requests()
        assert slow.result() == (200, b"slow")
    assert server.process.wait(timeout=5) == 0


def test_fifty_waiting_clients_do_not_keep_others_out(server: Server) -> None:
    with ThreadPoolExecutor(50) as threads:
        slow = [threads.submit(server.get, "/slow") for _ in range(50)]
        for _ in slow:
            assert server.read_line() == "begun"
        assert server.get("/quick") == (200, b"quick")
        server.end_slow_requests()
        assert [request.result() for request in slow] == [(200, b"slow")] * 50


def test_large_requests_are_refused(server: Server) -> None:
    assert server.get("/quick", headers={"X-Large": "x" * 10_000})[0] == 431
    assert server.get("/quick", body=b"x" * 10_000)[0] == 413
    assert server.get("/quick") == (200, b"quick")
