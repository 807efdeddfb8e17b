"""The picture of a run: rates and waiting times against concurrency, and against the number of replicas."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from bench.report import Report
from bench.scaling import CONCURRENCY
from bench.summary import Summary
from bench.targets import (
    GO_STATIC,
    GUNICORN_INCREMENT,
    GUNICORN_STATIC,
    HEALTHZ,
    INCREMENT,
    LOCK_INCREMENT,
    STATIC,
)

# What is drawn together, and in which colour.
TOGETHER = (
    {INCREMENT: "tab:blue", GUNICORN_INCREMENT: "tab:purple", LOCK_INCREMENT: "tab:orange"},
    {STATIC: "tab:blue", HEALTHZ: "tab:green", GUNICORN_STATIC: "tab:purple", GO_STATIC: "tab:orange"},
)


@dataclass(frozen=True)
class Curve:
    """Summaries of one target, each at its place on the horizontal axis."""

    label: str
    colour: str
    points: Mapping[int, Summary]


@dataclass(frozen=True)
class Row:
    """Two panels of the same curves, rates and times, and the axis that they have in common."""

    curves: Sequence[Curve]
    axis: str
    scale: Literal["log", "linear"]


def draw(report: Report, file: Path) -> None:
    """Draw it as PNG."""
    rows = [row for row in _rows(report) if row.curves]
    figure = Figure(figsize=(11, 4 * len(rows)), layout="constrained")
    machine, plan = report.machine, report.plan
    figure.suptitle(
        f"Medians of {plan.rounds} x {plan.seconds} s, with bars from the least to the most\n"
        f"three replicas where nothing else is said, {machine.processors} processors for all of it, {machine.when:.10}"
    )
    panels: list[list[Axes]] = figure.subplots(len(rows), 2, squeeze=False).tolist()
    for row, (rates, times) in zip(rows, panels, strict=True):
        for curve in row.curves:
            _draw_rates(rates, curve)
            _draw_times(times, curve)
        _finish(rates, row, "answers per second")
        _finish(times, row, "milliseconds, p50 and p99 (dashed)")
        rates.legend(fontsize="small")
    figure.savefig(file, dpi=110)


def _rows(report: Report) -> Iterable[Row]:
    for colours in TOGETHER:
        curves = [
            Curve(target, colour, {point.concurrency: point for point in report.summaries if point.target == target})
            for target, colour in colours.items()
        ]
        measured = [curve for curve in curves if curve.points]
        yield Row(measured, "connections, each with one request at a time", "log")
    if report.sizes:
        label = f"{INCREMENT}, {CONCURRENCY} connections"
        points = {size.replicas: size.summary for size in report.sizes}
        yield Row([Curve(label, "tab:blue", points)], "replicas of the counter", "linear")


def _draw_rates(axes: Axes, curve: Curve) -> None:
    rates = [summary.rate for summary in curve.points.values()]
    medians = [rate.median for rate in rates]
    bars = [[rate.median - rate.least for rate in rates], [rate.most - rate.median for rate in rates]]
    axes.errorbar(list(curve.points), medians, yerr=bars, color=curve.colour, marker="o", capsize=3, label=curve.label)


def _draw_times(axes: Axes, curve: Curve) -> None:
    places, summaries = list(curve.points), curve.points.values()
    p50, p99 = [summary.p50.median for summary in summaries], [summary.p99.median for summary in summaries]
    axes.plot(places, p50, color=curve.colour, marker="o")
    axes.plot(places, p99, color=curve.colour, marker="o", linestyle="dashed")


def _finish(axes: Axes, row: Row, label: str) -> None:
    axes.set_xscale(row.scale)
    axes.set_yscale(row.scale)
    if row.scale == "linear":
        axes.set_ylim(bottom=0)
    axes.set_xticks(sorted({place for curve in row.curves for place in curve.points}))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.set_xlabel(row.axis)
    axes.set_ylabel(label)
    axes.grid(visible=True, alpha=0.3)
