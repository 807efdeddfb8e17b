import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from local import room
from local.errors import LocalError


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many MiB are free in a folder of this name; plenty in all others."""
    sizes: dict[str, int] = {}
    monkeypatch.setattr(
        shutil, "disk_usage", lambda folder: SimpleNamespace(free=sizes.get(folder.name, 1 << 20) << 20)
    )
    return sizes


def test_where_there_is_room_all_is_well(tmp_path: Path, free: dict[str, int]) -> None:
    free["state"] = 2048

    room.require(tmp_path / "cache", tmp_path / "state")


def test_a_folder_without_room_is_named(tmp_path: Path, free: dict[str, int]) -> None:
    free["state"] = 2047

    with pytest.raises(LocalError, match=f"^{tmp_path}/state: 2047 MiB of disk space left, a cluster needs 2048 MiB"):
        room.require(tmp_path / "cache", tmp_path / "state")


@pytest.mark.parametrize("failure", [LocalError("etcd ended; its log: etcd.log"), OSError(28, "No space left")])
def test_a_failure_on_a_full_disk_says_so(tmp_path: Path, free: dict[str, int], failure: Exception) -> None:
    free[tmp_path.name] = 1

    with pytest.raises(LocalError) as error, room.blamed(tmp_path):
        raise failure

    assert str(error.value) == f"no disk space left in {tmp_path}: {failure}"


@pytest.mark.parametrize("failure", [LocalError("etcd ended"), OSError(5, "I/O error")])
@pytest.mark.usefixtures("free")
def test_other_failures_are_told_as_they_are(tmp_path: Path, failure: Exception) -> None:
    with pytest.raises(type(failure)) as error, room.blamed(tmp_path, tmp_path / "not-there"):
        raise failure

    assert error.value is failure
