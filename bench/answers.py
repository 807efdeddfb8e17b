"""Whether a target answers to this machine: pods are ready a moment before nodes lead to them."""

import time

from bench.targets import Target
from local.errors import LocalError
from local.health import answers_ok

PATIENCE_SECONDS = 60.0
IN_A_ROW = 10


def wait(target: Target, address: str) -> None:
    """Wait until the target answers so many times in a row, each time perhaps by another of its pods.

    Raises LocalError if it does not.
    """
    url = f"http://{address}:{target.node_port}{target.path}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    answers = 0
    while answers < IN_A_ROW:
        if answers_ok(url):
            answers += 1
        elif time.monotonic() < deadline:
            answers = 0
            time.sleep(0.2)
        else:
            raise LocalError(f"{target.name}: {url} does not answer")
