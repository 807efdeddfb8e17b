import errno
import threading
import time

import pytest
from nfs_rs import Client, NfsModeError, NfsOSError, NfsProtocolError, NfsUnsupportedError

from local.nfs import connection
from tests.local.nfs.fake_server import PATIENCE, TIMEOUT, FakeServer


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RETRY_INTERVAL", 0.005)


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


def test_one_connection_serves_all_calls(server: FakeServer) -> None:
    reached = server.connection()

    for _ in range(3):
        reached.call(lambda client: client.stat("export"))

    assert server.connections == 1


def test_what_the_server_answers_is_not_asked_again(server: FakeServer) -> None:
    with pytest.raises(OSError, match="No such file") as raised:
        server.connection().call(lambda client: client.stat("export/none"))

    assert raised.value.errno == errno.ENOENT
    assert server.asked == ["stat export/none"]


def test_a_server_that_was_restarted_is_reached_by_another_client(server: FakeServer) -> None:
    reached = server.connection()
    reached.call(lambda client: client.stat("export"))
    server.restart()

    assert reached.call(lambda client: client.stat("export")).path == "export"
    assert server.connections == 2


def test_a_server_that_stays_away_is_an_error_after_that_time(server: FakeServer) -> None:
    server.away = True
    started = time.monotonic()

    with pytest.raises(OSError, match="Input/output") as raised:
        server.connection().call(lambda client: client.stat("export"))

    assert raised.value.errno == errno.EIO
    assert PATIENCE * 0.9 < time.monotonic() - started < PATIENCE + TIMEOUT


def test_one_that_comes_back_is_asked_again(server: FakeServer) -> None:
    reached = server.connection()
    reached.call(lambda client: client.stat("export"))
    server.away = True
    with pytest.raises(OSError, match="Input/output"):
        reached.call(lambda client: client.stat("export"))
    server.away = False

    assert reached.call(lambda client: client.stat("export")).path == "export"


def test_a_hard_mount_waits_for_it(server: FakeServer) -> None:
    server.away = True
    back = threading.Timer(PATIENCE * 2, lambda: setattr(server, "away", False))
    back.start()

    assert server.connection(patience=float("inf")).call(lambda client: client.stat("export")).path == "export"
    back.join()


def test_who_waits_for_anothers_connection_waits_no_longer_than_for_the_server() -> None:
    connecting, release = threading.Event(), threading.Event()

    def connect(_seconds: float) -> Client:
        connecting.set()
        release.wait()
        raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")

    reached = connection.Connection(connect, TIMEOUT, PATIENCE)

    def first() -> None:
        with pytest.raises(OSError, match="Input/output"):
            reached.call(lambda client: client.stat("export"))

    other = threading.Thread(target=first)
    other.start()
    connecting.wait()
    started = time.monotonic()
    with pytest.raises(OSError, match="Input/output"):
        reached.call(lambda client: client.stat("export"))
    assert time.monotonic() - started < PATIENCE + TIMEOUT
    release.set()
    other.join()


def test_a_change_whose_answer_was_lost_was_made(server: FakeServer) -> None:
    server.files["export/a"] = b""
    server.answers_lost = 1

    server.connection().change(lambda client: client.unlink("export/a"), done=FileNotFoundError)

    assert server.asked == ["unlink export/a"] * 2
    assert not server.files


def test_a_change_that_fails_at_once_failed(server: FakeServer) -> None:
    with pytest.raises(OSError, match="No such file"):
        server.connection().change(lambda client: client.unlink("export/a"), done=FileNotFoundError)


def test_absence_and_return_are_logged_once(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    reached = server.connection()
    server.away = True
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            reached.call(lambda client: client.stat("export"))
    server.away = False
    for _ in range(2):
        reached.call(lambda client: client.stat("export"))

    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the server does not answer as it should",
        "the server answers again",
    ]


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (NfsOSError(message="no space", errno=errno.ENOSPC), errno.ENOSPC),
        (PermissionError(errno.EACCES, "denied"), errno.EACCES),
        (NfsUnsupportedError(message="no"), errno.ENOTSUP),
        (NfsModeError(message="no"), errno.EINVAL),
        (NfsOSError(message="stale", errno=errno.ESTALE), None),
        (NfsProtocolError(message="bad session"), None),
        (TimeoutError(errno.ETIMEDOUT, "late"), None),
        (ConnectionResetError(errno.ECONNRESET, "reset"), None),
    ],
)
def test_what_is_an_answer(error: Exception, number: int | None) -> None:
    assert connection.answer(error) == number
