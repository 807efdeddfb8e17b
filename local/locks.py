"""Locks between commands. The kernel lets go of one when its holder ends, however it ends."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(file: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the file's lock while the block runs. Where another command holds it, tell which one is waited for.

    Programs that the block starts don't inherit the lock: they may outlive the command.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            tell(f"waiting for another command to finish: {lock.read().strip() or 'it does not say which'}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(_this_command())
        lock.flush()
        yield


def _this_command() -> str:
    return f"process {os.getpid()}, {' '.join(sys.orig_argv)}"
