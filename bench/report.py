"""What a run says: a line for each measurement, tables when all is over, JSON for what comes after."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.counts import Count
from bench.machine import Machine
from bench.rounds import Measurement, Plan
from bench.scaling import CONCURRENCY, SizedMeasurement
from bench.summary import Ratio, SizeSummary, Spread, Summary, compare, summarize, summarize_sizes
from bench.targets import COMPARISONS, INCREMENT
from local import files

# What tables say of runs.
_RUNS = ("rate", "least", "most", "p50", "p99", "failed", "lost")


@dataclass(frozen=True)
class Report:
    """A whole run, from the machine to the ratios."""

    machine: Machine
    plan: Plan
    measurements: Sequence[Measurement]
    summaries: Sequence[Summary]
    ratios: Sequence[Ratio]
    sized_measurements: Sequence[SizedMeasurement]
    sizes: Sequence[SizeSummary]


def make(
    machine: Machine, plan: Plan, measurements: Sequence[Measurement], sized: Sequence[SizedMeasurement]
) -> Report:
    """The report on these measurements."""
    return Report(
        machine,
        plan,
        measurements,
        summarize(measurements),
        compare(measurements, COMPARISONS),
        sized,
        summarize_sizes(sized),
    )


def write(report: Report, file: Path) -> None:
    """Write all of it as JSON. Rates are per second, p50 and p99 in milliseconds.

    Raises LocalError if the file can't be written.
    """
    files.write(file, json.dumps(asdict(report), indent=1) + "\n")


def line(measurement: Measurement) -> str:
    """One run in a few words."""
    load = measurement.load
    words = [
        f"round {measurement.round}, c = {measurement.concurrency}, {measurement.target}: {rate(load.rate)}/s",
        f"p50 {load.p50:.1f} ms",
        f"p99 {load.p99:.1f} ms",
    ]
    if load.failures:
        words.append(f"{load.failures} failed")
    if measurement.count:
        words.append("count exact" if measurement.is_exact else _error(measurement.count))
    return ", ".join(words)


def sized_line(sized: SizedMeasurement) -> str:
    """One run on so many replicas in a few words."""
    return f"replicas: {sized.replicas}, {line(sized.measurement)}"


def _error(count: Count) -> str:
    return f"{count.lost:,} of {count.told:,} lost, {count.untold:,} counted that nobody was told"


def rate(per_second: float) -> str:
    """A rate with as many digits as say something."""
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.1f}"


def show(report: Report, console: Console) -> None:
    """Print the tables."""
    plan = report.plan
    console.print(
        f"Medians of {plan.rounds} x {plan.seconds} s: rates per second, with the least and the most; times in ms.",
        highlight=False,
    )
    console.print(_rates(report.summaries))
    if report.sizes:
        console.print(f"{INCREMENT} with c = {CONCURRENCY}, by replicas of the counter:", highlight=False)
        console.print(_sizes(report.sizes))
    console.print("How many times as many per second (or as long), in the same round:")
    console.print(_ratios(report.ratios))


def _rates(summaries: Sequence[Summary]) -> Table:
    table = _table("what", "c", *_RUNS)
    for summary in summaries:
        table.add_row(summary.target, str(summary.concurrency), *_runs(summary))
    return table


def _sizes(sizes: Sequence[SizeSummary]) -> Table:
    table = _table("replicas", *_RUNS)
    for size in sizes:
        table.add_row(str(size.replicas), *_runs(size.summary))
    return table


def _runs(summary: Summary) -> list[str]:
    return [
        *_cells(summary.rate, rate),
        f"{summary.p50.median:.1f}",
        f"{summary.p99.median:.1f}",
        str(summary.failures),
        "" if summary.lost is None else str(summary.lost),
    ]


def _ratios(ratios: Sequence[Ratio]) -> Table:
    table = _table("what", "c", "times", "least", "most", "goal", "holds")
    for ratio in ratios:
        comparison = ratio.comparison
        name = f"{comparison.numerator} over {comparison.denominator}{', p50' if comparison.of == 'p50' else ''}"
        holds = {None: "", True: "yes", False: "no"}[ratio.holds]
        table.add_row(name, str(ratio.concurrency), *_cells(ratio.ratio, _times), _goal(ratio), holds)
    return table


def _goal(ratio: Ratio) -> str:
    """What was asked for, such as `≥ 25`."""
    bounds = {"≥": ratio.comparison.at_least, "≤": ratio.comparison.at_most}
    return ", ".join(
        f"{sign} {by_c[ratio.concurrency]:g}" for sign, by_c in bounds.items() if ratio.concurrency in by_c
    )


def _table(what: str, *numbers: str) -> Table:
    table = Table(what, box=None, pad_edge=False)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _cells(spread: Spread, shown: Callable[[float], str]) -> list[str]:
    return [shown(value) for value in (spread.median, spread.least, spread.most)]


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"
