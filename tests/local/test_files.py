import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local import files
from local.errors import LocalError


def names(folder: Path) -> list[str]:
    return sorted(found.name for found in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow beyond 4 KiB, the one that this run's output goes to included: what a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("content", ["text", b"bytes"])
def test_a_file_is_written_with_its_folder(folder: Path, content: str | bytes) -> None:
    file = folder / "new" / "file"

    files.write(file, content)

    assert file.read_text() in ("text", "bytes")
    assert names(file.parent) == ["file"]


def test_what_was_there_is_replaced(folder: Path) -> None:
    for content in ("a long text", "short"):
        files.write(folder / "file", content)

    assert (folder / "file").read_text() == "short"


def test_a_private_file_is_the_owner_s_only(folder: Path) -> None:
    files.write(folder / "file", "open to all")

    files.write(folder / "file", "secret", mode=0o600)

    assert stat.S_IMODE((folder / "file").stat().st_mode) == 0o600


def test_what_a_killed_run_left_is_no_obstacle(folder: Path) -> None:
    (folder / "file.part").write_text("half")

    files.write(folder / "file", "whole")

    assert (folder / "file").read_text() == "whole"


def test_without_room_the_file_is_named_and_stays_as_it_was(folder: Path) -> None:
    files.write(folder / "file", "before")

    with full_disk(), pytest.raises(LocalError, match=f"^{folder}/file: can't be written: File too large"):
        files.write(folder / "file", "x" * 8192)

    assert (folder / "file").read_text() == "before"
    assert names(folder) == ["file"]


def test_a_folder_that_can_not_be_made_is_told(folder: Path) -> None:
    (folder / "other").touch()

    with pytest.raises(LocalError, match=r"other/file: can't be written: (File exists|Not a directory)"):
        files.write(folder / "other" / "file", "")


def test_a_workshop_is_beside_its_target_and_gone_afterwards(folder: Path) -> None:
    target = folder / "new" / "target"

    with files.workshop(target) as workshop:
        assert workshop.parent == target.parent
        (workshop / "made").write_text("whole")
        (workshop / "made").rename(target)

    assert names(target.parent) == ["target"]


def test_a_workshop_is_gone_after_a_failure_too(folder: Path) -> None:
    with pytest.raises(LocalError), files.workshop(folder / "target"):
        raise LocalError("failed")

    assert names(folder) == []


def test_workshops_of_killed_runs_are_removed(folder: Path) -> None:
    (folder / "target.part1" / "half").mkdir(parents=True)
    (folder / "other.part1").mkdir()

    with files.workshop(folder / "target") as workshop:
        assert names(workshop) == []

    assert names(folder) == ["other.part1"]
