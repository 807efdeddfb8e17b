"""Files and folders that are there as a whole or not at all, whatever ends the run that makes them."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from local.errors import LocalError


def write(file: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write the file, and make its folder if need be. Nobody whom `mode` excludes can ever read of it.

    Raises LocalError that names the file if that can't be done, as when the disk is full.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as sink:
            sink.write(content.encode() if isinstance(content, str) else content)
        part.rename(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise LocalError(f"{file}: can't be written: {error.strerror}") from error


@contextlib.contextmanager
def workshop(target: Path) -> Iterator[Path]:
    """An empty folder beside the target, in which to make it before it is renamed. It is removed in the end.

    What killed runs left of theirs is removed first: only one at a time may make the target.
    """
    prefix = f"{target.name}.part"
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
