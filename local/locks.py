"""Locks between commands. The kernel lets go of one when its holder ends, however it ends."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console


@contextmanager
def held(file: Path, console: Console) -> Iterator[None]:
    """Hold the file's lock while the block runs. Where another command holds it, print which one is waited for.

    Programs that the block starts don't inherit the lock: they may outlive the command.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "it does not say which"
            text = f"waiting for another command to finish: {holder}"
            console.print(text, highlight=False, markup=False, soft_wrap=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(_this_command())
        lock.flush()
        yield


def _this_command() -> str:
    return f"process {os.getpid()}, {' '.join(sys.orig_argv)}"
