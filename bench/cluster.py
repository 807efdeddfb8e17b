"""A local cluster for one run: made with the counter on it, destroyed afterwards."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from local import layout, locks, stack_config
from local.errors import LocalError
from local.layout import Layout, cache_root
from local.stack_config import StackConfig

NAME = "ha-counter-bench"
STACK = "bench"

# Who changes objects there, as the API server notes it.
FIELD_MANAGER = "ha-counter-bench"


@contextmanager
def running(console: Console, name: str = NAME) -> Iterator[tuple[Layout, StackConfig]]:
    """A cluster of this name and what is deployed to it, while the block runs, for one command at a time.

    Raises LocalError if it can't be made.
    """
    with locks.held(cache_root() / "bench.lock", console):
        _stack(name, "destroy", "--yes")  # what an aborted run left behind
        try:
            _stack(name, "up")
            made = layout.find(name)
            if made is None:
                raise LocalError(f"local cluster {name!r} is gone")
            yield made, stack_config.load(STACK, {})
        finally:
            _stack(name, "destroy", "--yes")


def _stack(cluster: str, command: str, *options: str) -> None:
    words = [sys.executable, "-m", "local.stack", command, f"--cluster={cluster}", f"--stack={STACK}", *options]
    if subprocess.run(words, cwd=stack_config.PROJECT_FOLDER).returncode != 0:
        raise LocalError(f"`{' '.join(words[1:])}` failed; see above")
