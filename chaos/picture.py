"""The picture of an experiment: what clients saw, second by second, with the faults marked."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chaos.effects import Effect
from chaos.report import Report


def draw(report: Report, file: Path) -> None:
    """Draw it as PNG."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    totals, machine = report.totals, report.machine
    figure.suptitle(
        f"{totals.counted:,} increments for {totals.clients} clients while one fault after another is put in\n"
        f"three nodes on one machine with {machine.processors} processors, {machine.when:.10}"
    )
    told, errors, gaps = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    places = [second + 0.5 for second in range(len(report.seconds))]
    told.bar(places, [second.told for second in report.seconds], width=1, color="tab:blue")
    errors.bar(places, [second.errors for second in report.seconds], width=1, color="tab:red")
    gaps.bar(places, [second.gap for second in report.seconds], width=1, color="tab:purple")
    for axes, label in ((told, "values per second"), (errors, "errors per second"), (gaps, "s without a value")):
        axes.set_ylabel(label)
        axes.grid(visible=True, axis="y", alpha=0.3)
        _mark(axes, report.effects)
    _name(told, report.effects)
    gaps.set_xlabel("seconds since the clients began")
    gaps.set_xlim(0, len(report.seconds))
    figure.savefig(file, dpi=110)


def _mark(axes: Axes, effects: Sequence[Effect]) -> None:
    for effect in effects:
        axes.axvspan(effect.began, effect.ended, color="tab:orange", alpha=0.25, linewidth=0, zorder=0)


def _name(axes: Axes, effects: Sequence[Effect]) -> None:
    """Write the faults' names above."""
    for effect in effects:
        axes.text(effect.began, 1.02, effect.fault, transform=axes.get_xaxis_transform(), rotation=25, fontsize="small")
