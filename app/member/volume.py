"""What a member's volume holds: its folder, the folder that was moved aside, and the times at which etcd was started.

The folder is etcd's data folder, with the marker beside what etcd keeps in it. A new folder is made beside the old one
and takes its place whole: a member that is killed at any moment has the old one or the new one.
"""

import json
import os
import shutil
import time
from pathlib import Path

from member import marker
from member.marker import Marker, MarkerError, State
from member.starting import Folder

_MARKER = "marker"

# Seconds for which an end of etcd counts.
_CRASH_WINDOW = 600.0

# Bytes without which etcd can't go on: one segment of its log.
_ROOM = 64 << 20

# What stands for a marker that can't be read: the folder of no life that anybody knows.
_UNREADABLE = Marker(0, 0, State.HELD, "unreadable")


def look(folder: Path) -> Folder | None:
    """Return what the member's folder holds; None if nothing of etcd's is in it. Raises OSError."""
    found = _read_marker(folder)
    if found is None and not (folder / "member").exists():
        return None
    return Folder(found, any((folder / "member" / "wal").glob("*.wal")))


def mark(folder: Path, found: Marker) -> None:
    """Write the marker, and have it on the disk. Raises OSError."""
    part = folder / f"{_MARKER}.part"
    with part.open("w") as file:
        file.write(marker.to_text(found))
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / _MARKER)
    _sync(folder)


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


def saved_beside(folder: Path) -> Path:
    """Return where the file lies that was made of the folder, for others."""
    return _beside(folder, "saved")


def copy_beside(folder: Path) -> Path:
    """Return where a copy of the folder lies that a file is made of."""
    return _beside(folder, "copy")


def finish(folder: Path, found: Marker, *, joins: bool) -> None:
    """Put the new folder, made by `begin`, in the place of `folder`, with this marker. Raises OSError.

    Args:
        folder: The member's folder.
        found: The marker of the new one.
        joins: Whether its data will come from the other members: then the folder that it replaces is worth less than
            one of another epoch that was moved aside before.
    """
    new, aside = _beside(folder, "new"), _beside(folder, "old")
    mark(new, found)
    _sync_tree(new)
    if _is_worth_keeping(folder) and not (joins and aside.exists() and _epoch(aside) != found.epoch):
        _remove(aside)
        folder.rename(aside)
    else:
        _remove(folder)
    new.rename(folder)
    _sync(folder.parent)
    _starts(folder).unlink(missing_ok=True)
    clear(folder)


def clear(folder: Path) -> None:
    """Remove what was being made when the member was killed. Raises OSError."""
    for what in (_beside(folder, "new"), copy_beside(folder), _beside(folder, "gone")):
        if what.exists():
            shutil.rmtree(what)
    file_beside(folder).unlink(missing_ok=True)


def note_start(folder: Path, pod: str) -> None:
    """Note that this pod becomes etcd. Raises OSError."""
    saved_beside(folder).unlink(missing_ok=True)
    starts = [*_read_starts(folder), (pod, time.time())]
    _starts(folder).write_text(json.dumps(starts[-100:]))


def crashes(folder: Path, pod: str) -> int:
    """Return how often etcd ended by itself in this pod lately: a pod whose etcd was told to end does not start again.

    Raises OSError.
    """
    since = time.time() - _CRASH_WINDOW
    return sum(1 for of, at in _read_starts(folder) if of == pod and at >= since)


def is_full(folder: Path) -> bool:
    """Return whether the volume has no room for etcd to go on. Raises OSError."""
    about = os.statvfs(folder.parent)
    return about.f_bavail * about.f_frsize < _ROOM


def _is_worth_keeping(folder: Path) -> bool:
    """Return whether there are data that etcd has run on."""
    found = look(folder)
    if found is None or not found.log:
        return False
    return found.marker is None or found.marker.state is not State.MADE


def _epoch(folder: Path) -> int:
    found = _read_marker(folder)
    return 1 if found is None else found.epoch


def _read_marker(folder: Path) -> Marker | None:
    try:
        return marker.from_text((folder / _MARKER).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (MarkerError, UnicodeDecodeError):
        return _UNREADABLE


def _starts(folder: Path) -> Path:
    return _beside(folder, "starts")


def _read_starts(folder: Path) -> list[tuple[str, float]]:
    try:
        return [(str(pod), float(at)) for pod, at in json.loads(_starts(folder).read_text())]
    except (FileNotFoundError, ValueError, TypeError):
        return []


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f"{folder.name}.{suffix}")


def _remove(folder: Path) -> None:
    """Remove it whole: what is left of it if that is broken off has another name, and starts as nothing."""
    if folder.exists():
        gone = _beside(folder, "gone")
        if gone.exists():
            shutil.rmtree(gone)
        folder.rename(gone)
        shutil.rmtree(gone)


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
