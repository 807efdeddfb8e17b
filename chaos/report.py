"""What an experiment says: a line for each fault, a table when all is over, JSON for what comes after."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.machine import Machine
from chaos import history
from chaos.checks import Check, goals
from chaos.effects import Effect, Second, effect, seconds
from chaos.experiment import Experiment
from local import files


@dataclass(frozen=True)
class Totals:
    """All increments together.

    Attributes:
        clients: How many asked for them.
        counted: How many the count rose by.
        told: How many of them got their value.
        keyed: How many of those had an Idempotency-Key.
        unknown: How many without a key got neither a value nor an answer that nothing was counted.
        happened: How many of those were counted.
        errors: How many requests got no value; with a key they were repeated.
    """

    clients: int
    counted: int
    told: int
    keyed: int
    unknown: int
    happened: int
    errors: int


@dataclass(frozen=True)
class Report:
    """A whole experiment, from the machine to the checks."""

    machine: Machine
    totals: Totals
    effects: Sequence[Effect]
    checks: Sequence[Check]
    seconds: Sequence[Second]

    @property
    def problems(self) -> list[str]:
        """What speaks against the counter."""
        return [f"{check.name}: {problem}" for check in self.checks for problem in check.problems]


def make(machine: Machine, experiment: Experiment, exactness: Sequence[Check]) -> Report:
    """The report on this experiment, of whose exactness there are these checks."""
    effects = [effect(episode, experiment.answers, experiment.began) for episode in experiment.episodes]
    return Report(
        machine,
        totals(experiment),
        effects,
        [*exactness, goals(effects)],
        seconds(experiment.answers, experiment.began, experiment.ended),
    )


def totals(experiment: Experiment) -> Totals:
    """All its increments together."""
    answers = experiment.answers
    counted, told = experiment.after - experiment.before, len(history.values(answers))
    return Totals(
        clients=experiment.plan.clients,
        counted=counted,
        told=told,
        keyed=sum(map(len, history.keys(answers).values())),
        unknown=history.unknown(answers),
        happened=counted - told,
        errors=sum(answer.value is None for answer in answers),
    )


def write(report: Report, file: Path) -> None:
    """Write all of it as JSON. Moments and gaps are in seconds.

    Raises LocalError if the file can't be written.
    """
    files.write(file, json.dumps(asdict(report), indent=1) + "\n")


def line(effect: Effect) -> str:
    """What clients saw of one fault, in a few words."""
    goal = "" if effect.most_gap is None else f" (goal: {effect.most_gap:g} s)"
    return (
        f"{effect.fault}: {effect.gap:.1f} s at most without an increment{goal}, "
        f"{effect.told:,} got their value, {effect.errors:,} requests got none"
    )


def show(report: Report, console: Console) -> None:
    """Print the totals, the table of faults and the checks."""
    totals = report.totals
    console.print(
        f"{totals.counted:,} increments counted for {totals.clients} clients: {totals.told:,} got their value, "
        f"{totals.keyed:,} of them under a key. Of {totals.unknown:,} without a key and without an answer "
        f"{totals.happened:,} were counted.",
        highlight=False,
    )
    console.print(_table(report.effects))
    for check in report.checks:
        console.print(f"{check.name}: {'; '.join(check.problems) or 'yes'}", markup=False, highlight=False)


def _table(effects: Sequence[Effect]) -> Table:
    table = Table("fault", box=None, pad_edge=False)
    for heading in ("lasts, s", "gap, s", "goal, s", "values", "errors"):
        table.add_column(heading, justify="right", no_wrap=True)
    for seen in effects:
        table.add_row(
            seen.fault,
            f"{seen.ended - seen.began:.0f}",
            f"{seen.gap:.1f}",
            "" if seen.most_gap is None else f"{seen.most_gap:g}",
            f"{seen.told:,}",
            f"{seen.errors:,}",
        )
    return table
