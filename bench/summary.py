"""Medians and ratios of what was measured."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.load import Load
from bench.rounds import Measurement
from bench.scaling import SizedMeasurement
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
class SizeSummary:
    """All rounds with so many replicas."""

    replicas: int
    summary: Summary


@dataclass(frozen=True)
class Ratio:
    """How many times as much one target had as another one, round by round.

    `holds` tells whether the median is what was asked for; None: nothing was, at this concurrency.
    """

    comparison: Comparison
    concurrency: int
    ratio: Spread
    holds: bool | None


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


def summarize_sizes(measurements: Sequence[SizedMeasurement]) -> list[SizeSummary]:
    """One summary for each number of replicas, sorted by it."""
    groups: dict[int, list[Measurement]] = {}
    for sized in measurements:
        groups.setdefault(sized.replicas, []).append(sized.measurement)
    return [
        SizeSummary(replicas, summary) for replicas, group in sorted(groups.items()) for summary in summarize(group)
    ]


def compare(measurements: Sequence[Measurement], comparisons: Sequence[Comparison]) -> list[Ratio]:
    """The ratios of each comparison at each concurrency at which both were measured.

    Only runs of the same round are compared: what slowed down one target then slowed down the other.
    """
    loads: dict[tuple[str, int], dict[int, Load]] = {}
    for measurement in measurements:
        loads.setdefault((measurement.target, measurement.concurrency), {})[measurement.round] = measurement.load
    concurrencies = dict.fromkeys(measurement.concurrency for measurement in measurements)
    ratios = []
    for comparison, concurrency in itertools.product(comparisons, concurrencies):
        ones = loads.get((comparison.numerator, concurrency))
        others = loads.get((comparison.denominator, concurrency))
        if ones and others:
            ratio = spread(_of(comparison, ones[number]) / _of(comparison, others[number]) for number in ones)
            ratios.append(Ratio(comparison, concurrency, ratio, _holds(comparison, concurrency, ratio.median)))
    return ratios


def _of(comparison: Comparison, load: Load) -> float:
    return load.rate if comparison.of == "rate" else load.p50


def _holds(comparison: Comparison, concurrency: int, ratio: float) -> bool | None:
    least, most = comparison.at_least.get(concurrency), comparison.at_most.get(concurrency)
    if least is None and most is None:
        return None
    return (least is None or ratio >= least) and (most is None or ratio <= most)


def spread(values: Iterable[float]) -> Spread:
    """The spread of at least one value."""
    known = list(values)
    return Spread(median(known), min(known), max(known))
