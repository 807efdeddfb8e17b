"""Against an API server on loopback that speaks as much of the WebSocket protocol as a port-forward takes."""

import base64
import hashlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from kubernetes.client import ApiClient, Configuration

from local.errors import LocalError
from local.port_forward import connect

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
DATA, ERROR = b"\x00", b"\x01"

Pod = Callable[[socket.socket], None]


def frame(channel: bytes, data: bytes) -> bytes:
    return struct.pack("!BB", 0x82, len(data) + 1) + channel + data


def read_frame(connection: socket.socket) -> bytes:
    """The payload of a masked frame that is not long."""
    _, length = connection.recv(2)
    mask = connection.recv(4)
    masked = connection.recv(length & 0x7F)
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))


@pytest.fixture
def serve() -> Iterator[Callable[[Pod | None], ApiClient]]:
    """Have a server whose pod does this (None: there is no such pod), and a client of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept(pod: Pod | None) -> None:
        connection, _ = listener.accept()
        with connection:
            request = connection.recv(65536)
            if pod is None:
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                return
            assert request.startswith(b"GET /api/v1/namespaces/app/pods/web/portforward?ports=8080 ")
            [key] = [line[19:] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: ")]
            accepted = base64.b64encode(hashlib.sha1(key + GUID).digest())
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
            )
            number = struct.pack("<H", 8080)
            connection.sendall(frame(DATA, number) + frame(ERROR, number))
            pod(connection)

    def serve(pod: Pod | None) -> ApiClient:
        threads.append(threading.Thread(target=accept, args=[pod]))
        threads[-1].start()
        configuration = Configuration()
        configuration.host = f"http://127.0.0.1:{listener.getsockname()[1]}"
        return ApiClient(configuration)

    yield serve
    for thread in threads:
        thread.join()
    listener.close()


Serve = Callable[[Pod | None], ApiClient]


def test_what_is_said_reaches_the_pod_and_back(serve: Serve) -> None:
    def echo(connection: socket.socket) -> None:
        connection.sendall(frame(DATA, b"heard " + read_frame(connection)[1:]))
        connection.recv(100)  # until the other side closes

    forward = connect(serve(echo), "app", "web", 8080)
    forward.socket.sendall(b"hello")

    assert forward.socket.recv(100) == b"heard hello"
    assert forward.error() is None
    forward.socket.close()


def test_why_the_pod_can_not_be_reached_is_kept(serve: Serve) -> None:
    forward = connect(
        serve(lambda connection: connection.sendall(frame(ERROR, b"connection refused"))), "app", "web", 8080
    )

    assert forward.socket.recv(100) == b""
    assert forward.error() == "connection refused"
    forward.socket.close()


def test_a_pod_that_there_is_not_is_told(serve: Serve) -> None:
    with pytest.raises(LocalError, match=r"^Pod app/web: port 8080 can't be reached: Handshake status 404 Not Found$"):
        connect(serve(None), "app", "web", 8080)
