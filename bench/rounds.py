"""The measurement: every target at every concurrency, again and again."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import counts
from bench.counts import Count
from bench.load import Load, put_load
from bench.targets import Target


@dataclass(frozen=True)
class Plan:
    """How much to measure: a round has one run of so many seconds for each target and concurrency."""

    rounds: int
    seconds: int
    concurrencies: tuple[int, ...]

    def runs(self, targets: int) -> int:
        """How many runs that is in all."""
        return self.rounds * len(self.concurrencies) * targets


@dataclass(frozen=True)
class Measurement:
    """One run. `count` is there if the target counts."""

    round: int
    concurrency: int
    target: str
    load: Load
    count: Count | None

    @property
    def is_exact(self) -> bool:
        """Whether the count is what clients were told, if there is one."""
        return self.count is None or counts.is_exact(self.count, self.concurrency + self.load.failures)


def measure(
    plan: Plan, targets: Sequence[Target], address: str, report: Callable[[Measurement], None]
) -> list[Measurement]:
    """Put load on one target after another, so that what changes on the machine meanwhile meets all of them alike.

    Args:
        plan: How much to measure.
        targets: What to measure.
        address: A node's.
        report: Is told each run when it is over.

    Raises LocalError if a target does not answer.
    """
    measurements = []
    for number in range(1, plan.rounds + 1):
        for concurrency in plan.concurrencies:
            for target in _rotated(targets, number):
                measurement = _measure(target, address, number, concurrency, plan.seconds)
                report(measurement)
                measurements.append(measurement)
    return measurements


def _rotated(targets: Sequence[Target], by: int) -> list[Target]:
    """The targets in another order for each round: none always comes after the same one."""
    return [targets[(place + by) % len(targets)] for place in range(len(targets))]


def _measure(target: Target, address: str, number: int, concurrency: int, seconds: int) -> Measurement:
    server = f"http://{address}:{target.node_port}"
    if not target.counts:
        load = put_load(server + target.path, concurrency, seconds)
        return Measurement(number, concurrency, target.name, load, None)
    before = counts.settled(server)
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "told")
        load = put_load(server + target.path, concurrency, seconds, told)
        values = [int(line) for line in told.read_text().splitlines()]
    count = counts.compare(before, counts.settled(server), values)
    return Measurement(number, concurrency, target.name, load, count)
