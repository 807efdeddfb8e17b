"""Whether there is room on the disk: a full one makes programs fail in ways that say nothing about it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.errors import LocalError

# Kubelets take no pods while less than 1 GiB is free (local/node.py); the rest is for images, logs and volumes.
NEEDED = 2 << 30
FULL = 4 << 20


def require(*folders: Path) -> None:
    """Raises LocalError that names a folder in which there is no room for a cluster."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < NEEDED:
            raise LocalError(
                f"{folder}: {free >> 20} MiB of disk space left, a cluster needs {NEEDED >> 20} MiB; make room there"
            )


@contextmanager
def blamed(*folders: Path) -> Iterator[None]:
    """If the block fails and one of the folders is full, the LocalError says so."""
    try:
        yield
    except (LocalError, OSError) as error:
        full = [str(folder) for folder in folders if folder.exists() and shutil.disk_usage(folder).free < FULL]
        if not full:
            raise
        raise LocalError(f"no disk space left in {', '.join(full)}: {error}") from error
