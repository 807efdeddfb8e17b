import errno
import os
import stat
import time

import pytest

from local.nfs import connection
from local.nfs.filesystem import UTIME_NOW, UTIME_OMIT, Filesystem
from tests.local.nfs.fake_server import FakeServer


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RETRY_INTERVAL", 0.01)


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def files(server: FakeServer) -> Filesystem:
    return Filesystem(server.connection(), server.connection(), "export", mounted=lambda: None, caller=lambda: (7, 8))


def test_paths_lie_below_the_export(server: FakeServer, files: Filesystem) -> None:
    files.getattr("/")
    with pytest.raises(OSError, match="No such file"):
        files.getattr("/a/b")

    assert server.asked == ["stat export", "stat export/a/b"]


def test_attributes_are_the_servers(server: FakeServer, files: Filesystem) -> None:
    server.files["export/a"] = b"x" * 513

    assert files.getattr("/a") == {
        "st_mode": stat.S_IFREG | 0o640,
        "st_nlink": 1,
        "st_uid": 65532,
        "st_gid": 65533,
        "st_size": 513,
        "st_blocks": 2,
        "st_blksize": 4096,
        "st_atime": 1,
        "st_mtime": 2,
        "st_ctime": 3,
    }
    assert stat.S_ISDIR(files.getattr("/")["st_mode"])


def test_a_folder_lists_itself_and_its_parent_first(server: FakeServer, files: Filesystem) -> None:
    server.files |= {"export/a": b"", "export/b": b""}

    assert [(name, stat.S_IFMT(mode)) for name, mode, _ in files.readdir("/", 0)] == [
        (".", stat.S_IFDIR),
        ("..", stat.S_IFDIR),
        ("a", stat.S_IFREG),
        ("b", stat.S_IFREG),
    ]


def test_free_space_is_the_servers(files: Filesystem) -> None:
    space = files.statfs("/")

    assert [space[name] * space["f_frsize"] for name in ("f_blocks", "f_bfree", "f_bavail")] == [
        1 << 20,
        1 << 19,
        1 << 18,
    ]


def test_a_new_file_is_the_callers(server: FakeServer, files: Filesystem) -> None:
    number = files.create("/a", 0o100600, os.O_WRONLY)

    assert files.write("/a", b"abc", 0, number) == 3
    assert files.write("/a", b"d", 3, number) == 1
    assert server.files == {"export/a": b"abcd"}
    assert {"chmod export/a 600", "chown export/a 7 8"} <= set(server.asked)


def test_a_file_that_another_node_made_meanwhile_keeps_its_content(server: FakeServer, files: Filesystem) -> None:
    server.files["export/a"] = b"theirs"

    files.create("/a", 0o600, os.O_WRONLY)

    assert server.files["export/a"] == b"theirs"


def test_a_file_is_opened_for_what_it_is_opened_for(server: FakeServer, files: Filesystem) -> None:
    server.files["export/a"] = b"abc"

    files.open("/a", os.O_RDONLY)
    files.open("/a", os.O_RDWR)
    files.open("/a", os.O_WRONLY | os.O_TRUNC)

    assert server.asked == ["open export/a rb", "open export/a r+b", "open export/a r+b", "truncate export/a 0"]


def test_an_open_file_outlives_the_server(server: FakeServer, files: Filesystem) -> None:
    number = files.create("/a", 0o600, os.O_RDWR)
    files.write("/a", b"abc", 0, number)
    server.restart()

    files.write("/a", b"def", 3, number)

    assert files.read("/a", 100, 0, number) == b"abcdef"


def test_one_that_was_renamed_meanwhile_is_found_at_its_new_name(server: FakeServer, files: Filesystem) -> None:
    number = files.create("/part", 0o600, os.O_RDWR)
    files.rename("/part", "/whole")
    server.restart()

    files.write("/whole", b"abc", 0, number)  # libfuse passes the name that it has now

    assert server.files == {"export/whole": b"abc"}


def test_a_write_whose_answer_was_lost_is_written_once(server: FakeServer, files: Filesystem) -> None:
    number = files.create("/a", 0o600, os.O_WRONLY)
    server.answers_lost = 1

    files.write("/a", b"abc", 0, number)

    assert server.files["export/a"] == b"abc"


def test_a_full_disk_is_told_at_once(server: FakeServer, files: Filesystem) -> None:
    number = files.create("/a", 0o600, os.O_WRONLY)
    server.full = True

    with pytest.raises(OSError, match="No space") as raised:
        files.write("/a", b"abc", 0, number)

    assert raised.value.errno == errno.ENOSPC
    assert server.asked.count("write export/a") == 1


def test_a_file_is_closed_even_if_its_server_is_gone(server: FakeServer, files: Filesystem) -> None:
    number = files.create("/a", 0o600, os.O_WRONLY)
    server.away = True

    files.release("/a", number)

    with pytest.raises(KeyError):
        files.read("/a", 1, 0, number)


def test_names_are_changed_once_even_if_answers_are_lost(server: FakeServer, files: Filesystem) -> None:
    server.files["export/a"] = b"abc"

    server.answers_lost = 1
    files.rename("/a", "/b")
    server.answers_lost = 1
    files.mkdir("/d", 0o700)
    server.answers_lost = 1
    files.unlink("/b")

    assert server.files == {}
    assert server.folders == {"export", "export/d"}


def test_times_are_set_as_given_now_or_not_at_all(server: FakeServer, files: Filesystem) -> None:
    server.files["export/a"] = b""
    before = time.time_ns()

    files.utimens("/a", (10, UTIME_OMIT))
    files.utimens("/a", (UTIME_OMIT, UTIME_NOW))

    first, second = (words.split()[2:] for words in server.asked if words.startswith("utime"))
    assert first == ["10", "2"]
    assert second[0] == "1"
    assert int(second[1]) >= before
