"""What a run says: a line for each measurement, tables when all is over, JSON for what comes after."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.machine import Machine
from bench.rounds import Measurement, Plan
from bench.summary import Ratio, Spread, Summary, compare, summarize
from bench.targets import COMPARISONS


@dataclass(frozen=True)
class Report:
    """A whole run, from the machine to the ratios."""

    machine: Machine
    plan: Plan
    measurements: Sequence[Measurement]
    summaries: Sequence[Summary]
    ratios: Sequence[Ratio]


def make(machine: Machine, plan: Plan, measurements: Sequence[Measurement]) -> Report:
    """The report on these measurements."""
    return Report(machine, plan, measurements, summarize(measurements), compare(measurements, COMPARISONS))


def write(report: Report, file: Path) -> None:
    """Write all of it as JSON. Rates are per second, p50 and p99 in milliseconds."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(report), indent=1) + "\n")


def line(measurement: Measurement) -> str:
    """One run in a few words."""
    load = measurement.load
    words = [
        f"round {measurement.round}, c = {measurement.concurrency}, {measurement.target}: {_rate(load.rate)}/s",
        f"p50 {load.p50:.1f} ms",
        f"p99 {load.p99:.1f} ms",
    ]
    if load.failures:
        words.append(f"{load.failures} failed")
    if measurement.count:
        words.append("count exact" if measurement.is_exact else f"{measurement.count.lost} lost: {measurement.count}")
    return ", ".join(words)


def show(report: Report, console: Console) -> None:
    """Print the tables."""
    console.print(_rates(report))
    console.print(_ratios(report))


def _rates(report: Report) -> Table:
    rounds = f"median of {report.plan.rounds} rounds of {report.plan.seconds} s (least to most)"
    table = Table(title=f"Answers, {rounds}", title_justify="left")
    table.add_column("what")
    for heading in ("c", "per second", "p50, ms", "p99, ms", "failed", "lost"):
        table.add_column(heading, justify="right")
    for summary in report.summaries:
        table.add_row(
            summary.target,
            str(summary.concurrency),
            _with_range(summary.rate, _rate),
            f"{summary.p50.median:.1f}",
            f"{summary.p99.median:.1f}",
            f"{summary.failures}",
            "" if summary.lost is None else f"{summary.lost} of {summary.answers}",
        )
    return table


def _ratios(report: Report) -> Table:
    concurrencies = dict.fromkeys(ratio.concurrency for ratio in report.ratios)
    table = Table(title="How many times as many per second, in the same round", title_justify="left")
    table.add_column("what")
    for concurrency in concurrencies:
        table.add_column(f"c = {concurrency}", justify="right")
    for comparison in dict.fromkeys(ratio.comparison for ratio in report.ratios):
        cells = [_with_range(ratio.ratio, _times) for ratio in report.ratios if ratio.comparison == comparison]
        table.add_row(f"{comparison.numerator} / {comparison.denominator}", *cells)
    return table


def _with_range(spread: Spread, shown: Callable[[float], str]) -> str:
    return f"{shown(spread.median)} ({shown(spread.least)} to {shown(spread.most)})"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"
