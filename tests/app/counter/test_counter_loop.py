import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest
from waitress.wasyncore import dispatcher  # type: ignore[import-untyped]  # waitress ships no types

from counter.loop import Loop

# Seconds after which a wait that should have ended by itself does so.
IN_VAIN = 10.0


class Connection(dispatcher):  # type: ignore[misc]
    """Notes what it is woken for, and what it is asked for. It waits for what the test says."""

    waits_to_read = True
    waits_to_write = False

    def __init__(self, loop: Loop) -> None:
        ours, self.client = socket.socketpair()
        self.woken: list[str] = []
        super().__init__(ours, loop)
        self.connected = True
        self.looks = 0

    def readable(self) -> bool:
        self.looks += 1
        return self.waits_to_read

    def writable(self) -> bool:
        return self.waits_to_write

    def handle_read(self) -> None:
        self.woken.append("read")
        self.recv(100)

    def handle_write(self) -> None:
        self.woken.append("write")
        self.waits_to_write = False


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def connection(loop: Loop) -> Iterator[Connection]:
    connection = Connection(loop)
    yield connection
    connection.client.close()
    connection.close()
    assert connection not in loop.values()


def waits(loop: Loop) -> bool:
    """Whether nothing ends a wait before its time."""
    began = time.monotonic()
    loop.turn(0.05)
    return time.monotonic() - began >= 0.04


def test_what_came_is_read(loop: Loop, connection: Connection) -> None:
    loop.turn(0)
    assert connection.woken == []
    connection.client.send(b"!")
    loop.turn(IN_VAIN)
    loop.turn(0)
    assert connection.woken == ["read"]


def test_what_comes_for_one_that_waits_for_nothing_is_read_when_it_does(loop: Loop, connection: Connection) -> None:
    connection.waits_to_read = False
    connection.client.send(b"!")
    loop.turn(IN_VAIN)
    assert waits(loop)
    assert connection.woken == []
    connection.waits_to_read = True
    loop.turn(IN_VAIN)
    assert connection.woken == ["read"]


def test_one_that_broke_while_it_waits_for_nothing_wakes_nobody_again(loop: Loop, connection: Connection) -> None:
    connection.waits_to_read = False
    connection.client.close()
    loop.turn(IN_VAIN)
    assert waits(loop)
    assert connection.woken == []
    connection.waits_to_read = True
    loop.turn(IN_VAIN)
    assert connection.woken == ["read"]


def test_nobody_is_asked_what_it_waits_for_unless_something_comes(loop: Loop, connection: Connection) -> None:
    other = Connection(loop)
    other.client.send(b"!")
    loop.turn(IN_VAIN)
    assert (connection.looks, other.looks) == (0, 1)
    other.close()


def test_one_that_could_not_send_all_is_woken_when_it_can(loop: Loop, connection: Connection) -> None:
    connection.waits_to_read, connection.waits_to_write = False, True
    connection.client.setblocking(False)
    connection.socket.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            connection.socket.send(bytes(65536))
    loop.wait_for_room(connection.socket.fileno())
    loop.turn(0.01)
    assert connection.woken == []
    with suppress(BlockingIOError):
        while True:
            connection.client.recv(65536)
    loop.turn(IN_VAIN)
    assert connection.woken == ["write"]
    connection.waits_to_read = True
    connection.client.send(b"!")
    loop.turn(IN_VAIN)  # it is still watched for room, which there is: so much is noticed
    loop.turn(IN_VAIN)
    assert connection.woken == ["write", "read"]


def test_one_that_was_closed_by_another_ones_doing_is_passed_over(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    connections = [Connection(loop) for _ in range(2)]

    def close_the_other(self: Connection) -> None:
        [other] = [connection for connection in connections if connection is not self]
        other.close()

    monkeypatch.setattr(Connection, "handle_read", close_the_other)
    for connection in connections:
        connection.client.send(b"!")
    loop.turn(IN_VAIN)
    assert sum(connection in loop.values() for connection in connections) == 1
    for connection in connections:
        connection.close()


def test_what_another_thread_wants_done_ends_a_wait(loop: Loop) -> None:
    called = threading.Event()
    waiting = threading.Thread(target=loop.turn, args=[2 * IN_VAIN])
    waiting.start()
    loop.call_soon(called.set)
    assert called.wait(IN_VAIN)
    waiting.join()


def test_nothing_is_waited_for_while_there_is_something_to_do(loop: Loop) -> None:
    called = []
    loop.call_soon(lambda: loop.call_soon(lambda: called.append("second")))
    loop.call_soon(lambda: called.append("first"))
    began = time.monotonic()
    loop.turn(IN_VAIN)
    assert time.monotonic() - began < IN_VAIN
    assert called == ["first", "second"]


def test_connections_have_their_turn_between_calls_without_end(loop: Loop, connection: Connection) -> None:
    def again() -> None:
        loop.call_soon(again)

    again()
    connection.client.send(b"!")
    loop.turn(IN_VAIN)
    assert connection.woken == ["read"]


def test_the_loop_is_woken_once_for_many_calls(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    [trigger] = loop.values()
    pulled = []
    monkeypatch.setattr(trigger, "pull_trigger", lambda: pulled.append(True))
    called: list[int] = []

    def select(_: float) -> list[object]:
        for number in range(3):
            loop.call_soon(partial(called.append, number))
        return []

    monkeypatch.setattr(loop._selector, "select", select)
    loop.turn(IN_VAIN)
    assert called == [0, 1, 2]
    assert pulled == [True]
