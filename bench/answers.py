"""Whether servers answer to this machine: pods are ready a moment before nodes lead to them."""

import time
from collections.abc import Collection

import requests

from bench.targets import Target
from local.errors import LocalError
from local.health import TIMEOUT, answers_ok

PATIENCE_SECONDS = 60.0
INTERVAL_SECONDS = 0.2
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
            time.sleep(INTERVAL_SECONDS)
        else:
            raise LocalError(f"{target.name}: {url} does not answer")


def wait_for_pods(server: str, pods: Collection[str]) -> None:
    """Wait until each of the counter's pods has answered. Raises LocalError that names those that don't."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    silent = set(pods)
    while silent:
        answered = _who_answers(server)
        silent.discard(answered)
        if not answered:
            time.sleep(INTERVAL_SECONDS)
        if silent and time.monotonic() > deadline:
            raise LocalError(f"{server}/static: no answer from {', '.join(sorted(silent))}")


def _who_answers(server: str) -> str:
    """The pod that answers on a new connection; nothing if none does."""
    with requests.Session() as session:
        session.trust_env = False  # a proxy for the outside can't reach the nodes
        try:
            return str(session.get(f"{server}/static", timeout=TIMEOUT).json()["pod"])
        except (requests.RequestException, ValueError, KeyError):
            return ""
