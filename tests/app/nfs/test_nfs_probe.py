"""The probe against servers that answer as nfs-ganesha was seen to."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from nfs import probe
from nfs.probe import ProbeError, check
from nfs.server import PROBE_TEXT

NOT_FOUND = 2  # what it answers where it could not export the volume
HEADER = struct.pack(">6I", 1, 1, 0, 0, 0, 0)


def words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def reply(status: int, content: bytes = b"") -> bytes:
    """What a server answers: the call was executed, this became of it, and this was read."""
    data = words(len(content)) + content + bytes(-len(content) % 4)
    return HEADER + words(status, 0, 4) + (data if status == 0 else b"")


@contextmanager
def server(answer: bytes | None, *, hang_up_early: bool = False) -> Iterator[tuple[int, list[bytes]]]:
    """Its port, and the calls that it gets. None: it never answers."""
    calls: list[bytes] = []
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            [header] = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))
            calls.append(connection.recv(header & 0x7FFFFFFF, socket.MSG_WAITALL))
            if answer is None:
                over.wait(10)
            else:
                record = words(1 << 31 | len(answer)) + answer
                connection.sendall(record[:20] if hang_up_early else record)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], calls
        finally:
            over.set()
            thread.join()


def test_a_file_that_is_served_is_read() -> None:
    with server(reply(0, PROBE_TEXT)) as (port, calls):
        check("127.0.0.1", port)

    [call] = calls
    assert call[:24] == words(1, 0, 2, 100003, 4, 1), "a call of NFS version 4, procedure COMPOUND"
    assert call.index(b"snapshots") < call.index(b".probe")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (reply(NOT_FOUND), r"/snapshots/\.probe: NFS error 2"),
        (reply(0, b"other"), "other content"),
        (reply(0), "other content"),
        (words(1, 1, 1, 1, 5), "no answer to an NFS request"),
        (b"", "no answer to an NFS request"),
    ],
    ids=["not exported", "another file", "an empty file", "refused", "nothing"],
)
def test_anything_else_is_told(answer: bytes, message: str) -> None:
    with server(answer) as (port, _), pytest.raises(ProbeError, match=message):
        check("127.0.0.1", port)


def test_a_server_that_hangs_up_is_told() -> None:
    with server(reply(0, PROBE_TEXT), hang_up_early=True) as (port, _), pytest.raises(ProbeError, match="hung up"):
        check("127.0.0.1", port)


def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "TIMEOUT", 0.05)
    with server(None) as (port, _), pytest.raises(TimeoutError):
        check("127.0.0.1", port)


def test_nobody_there_is_told() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # but does not listen
        with pytest.raises(ConnectionRefusedError):
            check("127.0.0.1", unused.getsockname()[1])
