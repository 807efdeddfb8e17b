"""A member's folder: what it holds, and how a new one takes its place.

The folder is etcd's data folder. A restore leaves a marker in it, the file `epoch` with the epoch's number, so that a
member restores once, however often it starts. A new folder is made beside the old one and takes its place whole: a
member that is killed at any moment has the old one or the new one.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

_MARKER = "epoch"


@dataclass(frozen=True)
class Contents:
    """What a member's folder holds.

    Attributes:
        log: Whether etcd's write-ahead log is there. Without it there are no data.
        epoch: The epoch that the folder was restored for; None: it was not restored.
    """

    log: bool
    epoch: int | None


def look(folder: Path) -> Contents:
    """Return what `folder`, which may be missing, holds. Raises OSError if it can't be read."""
    return Contents(log=any((folder / "member" / "wal").glob("*.wal")), epoch=_marked_epoch(folder))


def begin(folder: Path) -> Path:
    """Make an empty folder beside `folder`, which can take its place, and return it. Raises OSError."""
    clear(folder)
    new = _beside(folder, "new")
    # etcd complains of a data folder that others may read.
    new.mkdir(mode=0o700, parents=True)
    return new


def file_beside(folder: Path) -> Path:
    """Return where the file lies that a new folder is made of."""
    return _beside(folder, "file")


def finish(folder: Path, epoch: int) -> None:
    """Put the new folder, made by `begin`, in the place of `folder`. Raises OSError.

    An old folder is moved aside, and replaces the one that was there from the time before.
    """
    new, old = _beside(folder, "new"), _beside(folder, "old")
    (new / _MARKER).write_text(f"{epoch}\n")
    _sync_tree(new)
    if (folder / "member").exists():
        _remove(old)
        folder.rename(old)
    else:
        # There is nothing of etcd's in it; what has been kept is worth more.
        _remove(folder)
    new.rename(folder)
    _sync(folder.parent)
    clear(folder)


def clear(folder: Path) -> None:
    """Remove what a restore that did not come to its end has left. Raises OSError."""
    _remove(_beside(folder, "new"))
    file_beside(folder).unlink(missing_ok=True)


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f"{folder.name}.{suffix}")


def _marked_epoch(folder: Path) -> int | None:
    try:
        return int((folder / _MARKER).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _sync_tree(folder: Path) -> None:
    for path, _, files in os.walk(folder):
        for file in files:
            _sync(Path(path, file))
        _sync(Path(path))


def _sync(path: Path) -> None:
    """What was written there outlives a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
