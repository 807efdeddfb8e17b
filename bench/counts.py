"""Whether a count says what clients were told."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import requests

from local.errors import LocalError

SETTLE_SECONDS = 0.5
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Count:
    """What became of the increments of one run.

    Attributes:
        told: How many were answered with a value.
        lost: How many of those are not in the count: their value was told twice, or the count never went through it.
        untold: How many are in the count, but nobody was told. The load ends with requests under way, at most one for
            each connection, and each failed request may have been counted.
    """

    told: int
    lost: int
    untold: int


def compare(before: int, after: int, told: Sequence[int]) -> Count:
    """What a count that rose from `before` to `after` made of these values."""
    counted = {value for value in told if before < value <= after}
    return Count(told=len(told), lost=len(told) - len(counted), untold=after - before - len(counted))


def is_exact(count: Count, under_way: int) -> bool:
    """Whether nothing was lost, and nothing was counted but what clients asked for.

    Args:
        count: What became of a run's increments.
        under_way: How many requests may have been counted without an answer.
    """
    return count.lost == 0 and 0 <= count.untold <= under_way


def settled(server: str) -> int:
    """The count when what the load left under way is through. Raises LocalError if it goes on rising."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    before = _fetch(server)
    while time.monotonic() < deadline:
        time.sleep(SETTLE_SECONDS)
        now = _fetch(server)
        if now == before:
            return now
        before = now
    raise LocalError(f"{server}: its count still rises {PATIENCE_SECONDS:.0f} s after the load has ended")


def _fetch(server: str) -> int:
    with requests.Session() as session:
        session.trust_env = False  # a proxy for the outside can't reach the nodes
        try:
            answer = session.get(f"{server}/fetch", timeout=10)
            answer.raise_for_status()
            content: str = answer.json()["content"]
            return int(content.removeprefix("count value = "))
        except (requests.RequestException, ValueError, KeyError) as error:
            raise LocalError(f"{server}/fetch: no count in its answer: {error}") from error
