from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local import backup_answers, export
from local.backup_answers import RestoreFile
from local.errors import LocalError
from tests.local.fake_backup import FakeBackup

BACKUP = FakeBackup()
JOB = {"state": "done", "step": "", "done": 0, "of": 0, "error": None, "file": BACKUP.made}


@pytest.fixture
def made() -> RestoreFile:
    file = backup_answers.job(JOB).file
    assert file is not None
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def ignore(detail: str) -> None:
    """Nobody looks."""
    del detail


def test_it_is_there_with_all_that_came(folder: Path, made: RestoreFile) -> None:
    export.save([BACKUP.file[:5], BACKUP.file[5:]], made, folder / "file", ignore)

    assert (folder / "file").read_bytes() == BACKUP.file
    assert [item.name for item in folder.iterdir()] == ["file"]


@pytest.mark.parametrize("came", [[], [BACKUP.file[:5]], [BACKUP.file.replace(b"a", b"b")]])
def test_what_is_not_what_was_made_is_not_kept(folder: Path, made: RestoreFile, came: list[bytes]) -> None:
    (folder / "file").write_text("former")

    with pytest.raises(LocalError, match=r"restore-1: what arrived has the sha256 .*, and should have"):
        export.save(came, made, folder / "file", ignore)

    assert [(item.name, item.read_text()) for item in folder.iterdir()] == [("file", "former")]


def test_what_breaks_off_is_not_kept(folder: Path, made: RestoreFile) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"a"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export.save(blocks(), made, folder / "file", ignore)

    assert list(folder.iterdir()) == []


def test_a_folder_that_can_not_be_written_to_is_told(folder: Path, made: RestoreFile) -> None:
    with pytest.raises(LocalError, match="can't be written: No such file"):
        export.save([], made, folder / "gone" / "file", ignore)


def test_how_much_there_is_of_it_is_reported(folder: Path, made: RestoreFile) -> None:
    reports: list[str] = []

    with pytest.raises(LocalError):
        export.save([b"x" * (1 << 20)] * 2, replace(made, size=4 << 20), folder / "file", reports.append)

    assert reports == ["1 of 4 MiB", "2 of 4 MiB"]


def test_a_file_that_exists_is_overwritten_only_with_a_yes(folder: Path) -> None:
    (folder / "file").touch()

    with pytest.raises(LocalError, match=r"it exists\. To overwrite it: YES=1"):
        export.check(folder / "file", overwrite=False)
    export.check(folder / "file", overwrite=True)
    export.check(folder / "other", overwrite=False)


@pytest.mark.parametrize(("name", "text"), [("", "it is a folder"), ("gone/file", "there is no folder .*gone")])
def test_what_can_not_be_a_file_is_told(folder: Path, name: str, text: str) -> None:
    with pytest.raises(LocalError, match=text):
        export.check(folder / name, overwrite=True)
