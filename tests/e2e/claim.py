"""Runs of the end-to-end tests use clusters of the same names, so there can be one at a time."""

import contextlib
import fcntl
from collections.abc import Iterator

import pytest

from local.layout import cache_root


@contextlib.contextmanager
def claimed() -> Iterator[None]:
    """Keeps other runs away. Ends this one if another is under way."""
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / "e2e.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.exit("another run of the end-to-end tests is under way on this machine; wait for its end", 1)
        yield
