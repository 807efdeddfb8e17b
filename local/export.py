"""A file of backup's, copied to this machine: there as a whole, with the right checksum, or not at all."""

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from local.backup_answers import RestoreFile
from local.errors import LocalError
from local.steps import Report


def check(file: Path, *, overwrite: bool) -> None:
    """Raises LocalError if there can't be such a file, or is one already."""
    if file.is_dir() or not file.parent.is_dir():
        raise LocalError(f"FILE={file}: {'it is a folder' if file.is_dir() else f'there is no folder {file.parent}'}")
    if file.exists() and not overwrite:
        raise LocalError(f"FILE={file}: it exists. To overwrite it: YES=1")


def save(blocks: Iterable[bytes], made: RestoreFile, file: Path, report: Report) -> None:
    """Write what comes, and give it its name once it is all there. Raises LocalError if it is not what was made."""
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as sink:
            found = _copy(blocks, sink, made.size, report)
            os.fsync(sink.fileno())
        if found != made.sha256:
            raise LocalError(f"{made.name}: what arrived has the sha256 {found}, and should have {made.sha256}")
        part.rename(file)
    except OSError as error:
        raise LocalError(f"{file}: can't be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _copy(blocks: Iterable[bytes], sink: BinaryIO, size: int, report: Report) -> str:
    """The sha256 of what was copied."""
    digest = hashlib.sha256()
    copied = 0
    for block in blocks:
        sink.write(block)
        digest.update(block)
        copied += len(block)
        report(f"{copied >> 20} of {size >> 20} MiB")
    return digest.hexdigest()
