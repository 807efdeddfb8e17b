import hashlib
import os
import time
from pathlib import Path

import pytest

from backup import files


def test_a_file_is_there_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    with files.durable_file(path) as file:
        file.write(b"first ")
        file.write(b"second")
        assert not path.exists()
        assert file.part.parent == tmp_path
    assert path.read_bytes() == b"first second"
    assert (file.size, file.sha256) == (12, hashlib.sha256(b"first second").hexdigest())
    assert [found.name for found in tmp_path.iterdir()] == ["snapshot"]


def test_what_fails_leaves_what_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "manifest"
    files.write_text(path, "before")
    with pytest.raises(ZeroDivisionError), files.durable_file(path) as file:
        file.write(b"%d" % (1 // file.size))
    assert path.read_text() == "before"
    assert [found.name for found in tmp_path.iterdir()] == ["manifest"]


def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor: int) -> None:
        steps.append("folder" if Path(f"/proc/self/fd/{descriptor}").readlink() == tmp_path else "file")
        fsync(descriptor)

    def note_replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    files.write_text(tmp_path / "manifest", "content")
    assert steps == ["file", "rename", "folder"]


def test_a_disk_that_fails_is_an_error_and_lists_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        files.write_text(tmp_path / "manifest", "content")
    assert list(tmp_path.iterdir()) == []


def test_two_that_write_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "manifest"
    with files.durable_file(path) as one, files.durable_file(path) as another:
        one.write(b"one")
        another.write(b"another")
    assert path.read_bytes() in (b"one", b"another")


def test_only_parts_that_nobody_writes_to_any_more_are_removed(tmp_path: Path) -> None:
    for name in ("stale.part", "fresh.part", "stale.db"):
        (tmp_path / name).write_text("content")
    for name in ("stale.part", "stale.db"):
        os.utime(tmp_path / name, (time.time() - 100,) * 2)
    assert files.remove_stale_parts(tmp_path, 60) == ["stale.part"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh.part", "stale.db"]


def test_what_is_gone_is_removed_again_without_an_error(tmp_path: Path) -> None:
    files.remove(tmp_path / "gone")
    assert not files.older_than(tmp_path / "gone", 0)
