"""The measurement: every target at every concurrency, and the raw transactions below them, again and again."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import counts
from bench.counts import Count
from bench.load import Load, put_load
from bench.targets import RAW_TRANSACTION, Target

# Raw transactions come one after the other, as from one client.
ALONE = 1


@dataclass(frozen=True)
class Plan:
    """How much to measure: a round has one run of so many seconds for each target and concurrency.

    A round with concurrency 1 also has a run of raw transactions.
    """

    rounds: int
    seconds: int
    concurrencies: tuple[int, ...]

    def runs(self, targets: int) -> int:
        """How many runs that is in all."""
        return self.rounds * (len(self.concurrencies) * targets + (ALONE in self.concurrencies))


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
    plan: Plan,
    targets: Sequence[Target],
    address: str,
    transact: Callable[[int], Load],
    report: Callable[[Measurement], None],
) -> list[Measurement]:
    """Put load on one target after another, so that what changes on the machine meanwhile meets all of them alike.

    Args:
        plan: How much to measure.
        targets: What to measure.
        address: A node's.
        transact: Makes one run of raw transactions; is told the round.
        report: Is told each run when it is over.

    Raises LocalError if a target does not answer.
    """
    measurements = []
    for measurement in _all(plan, targets, address, transact):
        report(measurement)
        measurements.append(measurement)
    return measurements


def _all(plan: Plan, targets: Sequence[Target], address: str, transact: Callable[[int], Load]) -> Iterator[Measurement]:
    for number in range(1, plan.rounds + 1):
        for concurrency in plan.concurrencies:
            for target in _ordered(targets, number):
                yield measure_once(target, address, number, concurrency, plan.seconds)
            if concurrency == ALONE:
                yield Measurement(number, ALONE, RAW_TRANSACTION, transact(number), None)


def _ordered(targets: Sequence[Target], number: int) -> list[Target]:
    """The targets in another order for each round: none always comes after the same one."""
    start = number % len(targets)
    rotated = [*targets[start:], *targets[:start]]
    return rotated if number % 2 else rotated[::-1]


def measure_once(target: Target, address: str, number: int, concurrency: int, seconds: int) -> Measurement:
    """One run, of the round with that number. Raises LocalError if the target does not answer."""
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
