"""Medians and ratios of what was measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.rounds import Measurement
from bench.targets import Comparison


@dataclass(frozen=True)
class Spread:
    """The median of all rounds, and the least and the most."""

    median: float
    least: float
    most: float


@dataclass(frozen=True)
class Summary:
    """All rounds of one target at one concurrency: answers per second, milliseconds, and what went wrong in all.

    `lost` is None if the target does not count.
    """

    target: str
    concurrency: int
    rate: Spread
    p50: Spread
    p99: Spread
    answers: int
    failures: int
    lost: int | None


@dataclass(frozen=True)
class Ratio:
    """How many times the rate of one target another one had, round by round."""

    comparison: Comparison
    concurrency: int
    ratio: Spread


def summarize(measurements: Sequence[Measurement]) -> list[Summary]:
    """One summary for each target and concurrency, sorted by them."""
    groups: dict[tuple[str, int], list[Measurement]] = {}
    for measurement in measurements:
        groups.setdefault((measurement.target, measurement.concurrency), []).append(measurement)
    return [_summary(target, concurrency, group) for (target, concurrency), group in sorted(groups.items())]


def _summary(target: str, concurrency: int, group: Sequence[Measurement]) -> Summary:
    lost = [measurement.count.lost for measurement in group if measurement.count]
    return Summary(
        target=target,
        concurrency=concurrency,
        rate=spread(measurement.load.rate for measurement in group),
        p50=spread(measurement.load.p50 for measurement in group),
        p99=spread(measurement.load.p99 for measurement in group),
        answers=sum(measurement.load.answers for measurement in group),
        failures=sum(measurement.load.failures for measurement in group),
        lost=sum(lost) if lost else None,
    )


def compare(measurements: Sequence[Measurement], comparisons: Sequence[Comparison]) -> list[Ratio]:
    """The ratios of each comparison at each concurrency.

    Only rates of the same round are compared: what slowed down one target then slowed down the other.
    """
    rates = {(m.target, m.concurrency, m.round): m.load.rate for m in measurements}
    concurrencies = dict.fromkeys(measurement.concurrency for measurement in measurements)
    rounds = dict.fromkeys(measurement.round for measurement in measurements)
    return [
        Ratio(
            comparison,
            concurrency,
            spread(
                rates[comparison.numerator, concurrency, number] / rates[comparison.denominator, concurrency, number]
                for number in rounds
            ),
        )
        for comparison in comparisons
        for concurrency in concurrencies
    ]


def spread(values: Iterable[float]) -> Spread:
    """The spread of at least one value."""
    known = list(values)
    return Spread(median(known), min(known), max(known))
