import itertools
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from member import folder
from member.folder import Contents
from tests.app.member.conftest import keep_a_log


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def log_of(data: Path) -> bytes:
    return (data / "member" / "wal" / "0.wal").read_bytes()


def names_beside(data: Path) -> list[str]:
    return sorted(path.name for path in data.parent.iterdir())


def test_no_folder_holds_nothing(data: Path) -> None:
    assert folder.look(data) == Contents(log=False, epoch=None)


def test_a_folder_that_etcd_has_used(data: Path) -> None:
    keep_a_log(data)
    assert folder.look(data) == Contents(log=True, epoch=None)


@pytest.mark.parametrize("left", ["member/wal/0.tmp", "member/snap/db", "member/wal.tmp/0.wal"])
def test_what_is_no_log(data: Path, left: str) -> None:
    path = data / left
    path.parent.mkdir(parents=True)
    path.touch()
    assert folder.look(data) == Contents(log=False, epoch=None)


def test_a_new_folder_is_the_owners_alone_and_marked(data: Path) -> None:
    assert folder.begin(data) == data.with_name("data.new")
    folder.finish(data, epoch=3)
    assert folder.look(data) == Contents(log=False, epoch=3)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert names_beside(data) == ["data"]


def test_the_old_folder_is_moved_aside(data: Path) -> None:
    keep_a_log(data, b"old")
    keep_a_log(folder.begin(data), b"new")
    assert log_of(data) == b"old"
    folder.finish(data, epoch=2)
    assert log_of(data) == b"new"
    assert log_of(data.with_name("data.old")) == b"old"


def test_one_old_folder_is_kept(data: Path) -> None:
    for content in (b"1", b"2", b"3"):
        keep_a_log(folder.begin(data), content)
        folder.finish(data, epoch=int(content))
    assert log_of(data) == b"3"
    assert log_of(data.with_name("data.old")) == b"2"
    assert names_beside(data) == ["data", "data.old"]


def test_a_folder_without_data_takes_no_kept_ones_place(data: Path) -> None:
    keep_a_log(data.with_name("data.old"), b"kept")
    data.mkdir()
    keep_a_log(folder.begin(data), b"new")
    folder.finish(data, epoch=2)
    assert log_of(data) == b"new"
    assert log_of(data.with_name("data.old")) == b"kept"


def test_data_whose_log_is_lost_are_kept_too(data: Path) -> None:
    (data / "member" / "snap").mkdir(parents=True)
    (data / "member" / "snap" / "db").write_bytes(b"keys")
    folder.begin(data)
    folder.finish(data, epoch=2)
    assert (data.with_name("data.old") / "member" / "snap" / "db").read_bytes() == b"keys"


def test_what_a_restore_left_is_removed(data: Path) -> None:
    keep_a_log(folder.begin(data), b"part")
    folder.file_beside(data).write_bytes(b"part")
    folder.clear(data)
    assert names_beside(data) == []


def test_a_new_beginning_finds_nothing_of_the_last_one(data: Path) -> None:
    keep_a_log(folder.begin(data), b"part")
    assert list(folder.begin(data).iterdir()) == []


class KilledError(Exception):
    pass


def kill_after(survived: int, patch: pytest.MonkeyPatch) -> None:
    """All calls that change what is on the disk for good fail after that many: as if the member were killed."""
    left = itertools.count(survived, -1)

    def limited(call: Callable[..., object]) -> Callable[..., object]:
        def limited_call(*arguments: object) -> object:
            if next(left) <= 0:
                raise KilledError
            return call(*arguments)

        return limited_call

    patch.setattr(Path, "rename", limited(Path.rename))
    patch.setattr(shutil, "rmtree", limited(shutil.rmtree))
    patch.setattr(os, "fsync", limited(os.fsync))


def is_killed(data: Path, survived: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    with monkeypatch.context() as patch:
        kill_after(survived, patch)
        try:
            folder.finish(data, epoch=2)
        except KilledError:
            return True
    return False


def test_killed_at_any_moment_it_has_the_old_folder_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for survived in itertools.count():
        data = tmp_path / str(survived) / "data"
        keep_a_log(data.with_name("data.old"), b"oldest")
        keep_a_log(data, b"old")
        keep_a_log(folder.begin(data), b"new")
        killed = is_killed(data, survived, monkeypatch)

        old = [path for path in (data, data.with_name("data.old")) if path.exists() and log_of(path) == b"old"]
        assert len(old) == 1
        if folder.look(data).epoch != 2:
            assert killed
            # The next start tries again, and comes to the same end.
            keep_a_log(folder.begin(data), b"new")
            folder.finish(data, epoch=2)
        assert log_of(data) == b"new"
        assert log_of(data.with_name("data.old")) == b"old"
        if not killed:
            break
    # Five times that something is fsynced, one old folder to remove, two to rename, and the one around them to fsync.
    assert survived == 9


def test_all_is_on_the_disk_before_the_new_folder_takes_its_place(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )
    new = folder.begin(data)
    keep_a_log(new)
    folder.finish(data, epoch=2)
    paths = [new, new / "epoch", new / "member", new / "member" / "wal", new / "member" / "wal" / "0.wal"]
    assert sorted(synced[:-1]) == sorted(map(str, paths))
    assert synced[-1] == str(data.parent)
