"""Files that are there whole or not at all, whenever the machine dies.

What is written goes to a file of another name, which gets its own name once all of it is on the disk.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_PART = ".part"


class HashedFile:
    """What is written to a file, and the hash of it.

    Attributes:
        part: Where it is until all of it is written.
        size: Bytes so far.
    """

    def __init__(self, file: BinaryIO, part: Path) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.part = part
        self.size = 0

    def write(self, content: bytes) -> None:
        """Raises OSError."""
        self._file.write(content)
        self._hash.update(content)
        self.size += len(content)

    @property
    def sha256(self) -> str:
        """Of what was written so far, in hex."""
        return self._hash.hexdigest()


@contextmanager
def durable_file(path: Path) -> Iterator[HashedFile]:
    """Write a file. It is there and durable when the block has ended; an exception in the block leaves nothing.

    Raises OSError.
    """
    # Two processes that write the same file must not write into one another's.
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_PART}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield HashedFile(file, part)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a small file. Raises OSError."""
    with durable_file(path) as file:
        file.write(text.encode())


def remove(path: Path) -> None:
    """Remove a file, if it is there, for good. Raises OSError."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in it durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def older_than(path: Path, seconds: float) -> bool:
    """Whether nobody has written to the file for so long. One that is gone is not. Raises OSError."""
    try:
        return time.time() - path.stat().st_mtime > seconds
    except FileNotFoundError:
        return False


def remove_stale_parts(folder: Path, older_than_seconds: float) -> list[str]:
    """Remove what writers that died have left, and return the names. Raises OSError."""
    stale = [path for path in folder.iterdir() if path.suffix == _PART and older_than(path, older_than_seconds)]
    for path in stale:
        remove(path)
    return [path.name for path in stale]
