"""Waiting for what other threads bring about."""

import time
from collections.abc import Callable

# Seconds. What takes longer never happens.
PATIENCE = 10.0


def until(holds: Callable[[], object]) -> None:
    """Wait until this holds; fail if that takes longer than PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s in vain"
        time.sleep(0.005)
