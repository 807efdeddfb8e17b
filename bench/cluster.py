"""A local cluster for one run: made with the counter on it, destroyed afterwards."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from local import layout, stack_config
from local.errors import LocalError
from local.layout import Layout
from local.stack_config import StackConfig

NAME = "ha-counter-bench"
STACK = "dev"


@contextmanager
def running() -> Iterator[tuple[Layout, StackConfig]]:
    """The cluster and what is deployed to it, while the block runs. Raises LocalError if it can't be made."""
    _stack("destroy", "--yes")  # what an aborted run left behind
    try:
        _stack("up")
        made = layout.find(NAME)
        if made is None:
            raise LocalError(f"local cluster {NAME!r} is gone")
        yield made, stack_config.load(STACK, {})
    finally:
        _stack("destroy", "--yes")


def _stack(command: str, *options: str) -> None:
    words = [sys.executable, "-m", "local.stack", command, f"--cluster={NAME}", f"--stack={STACK}", *options]
    if subprocess.run(words, cwd=stack_config.PROJECT_FOLDER).returncode != 0:
        raise LocalError(f"`{' '.join(words[1:])}` failed; see above")
