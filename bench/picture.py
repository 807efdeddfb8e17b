"""The picture of a run: rates and waiting times against concurrency."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from bench.report import Report
from bench.summary import Summary
from bench.targets import GO_STATIC, HEALTHZ, INCREMENT, LOCK_INCREMENT, STATIC

# What is drawn together, and in which colour.
ROWS = (
    {INCREMENT: "tab:blue", LOCK_INCREMENT: "tab:orange"},
    {STATIC: "tab:blue", HEALTHZ: "tab:green", GO_STATIC: "tab:orange"},
)


def draw(report: Report, file: Path) -> None:
    """Draw it as PNG."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    machine, plan = report.machine, report.plan
    figure.suptitle(
        f"Medians of {plan.rounds} x {plan.seconds} s, with bars from the least to the most\n"
        f"three replicas each, {machine.processors} processors for all of it, {machine.when:.10}"
    )
    panels: list[list[Axes]] = figure.subplots(len(ROWS), 2, squeeze=False).tolist()
    for colours, (rates, times) in zip(ROWS, panels, strict=True):
        for target, colour in colours.items():
            summaries = [summary for summary in report.summaries if summary.target == target]
            _draw_rates(rates, summaries, target, colour)
            _draw_times(times, summaries, target, colour)
        _finish(rates, "answers per second", plan.concurrencies)
        _finish(times, "milliseconds", plan.concurrencies)
    figure.savefig(file, dpi=110)


def _draw_rates(axes: Axes, summaries: Sequence[Summary], target: str, colour: str) -> None:
    medians = [summary.rate.median for summary in summaries]
    below = [summary.rate.median - summary.rate.least for summary in summaries]
    above = [summary.rate.most - summary.rate.median for summary in summaries]
    places = [summary.concurrency for summary in summaries]
    axes.errorbar(places, medians, yerr=[below, above], color=colour, marker="o", capsize=3, label=target)


def _draw_times(axes: Axes, summaries: Sequence[Summary], target: str, colour: str) -> None:
    places = [summary.concurrency for summary in summaries]
    p50, p99 = [summary.p50.median for summary in summaries], [summary.p99.median for summary in summaries]
    axes.plot(places, p50, color=colour, marker="o", label=f"{target}, p50")
    axes.plot(places, p99, color=colour, marker="o", linestyle="dashed", label=f"{target}, p99")


def _finish(axes: Axes, label: str, concurrencies: Sequence[int]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(concurrencies)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.set_xlabel("connections, each with one request at a time")
    axes.set_ylabel(label)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
