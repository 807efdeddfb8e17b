import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.machine import Machine
from chaos import report
from chaos.checks import Check
from chaos.experiment import Episode, Experiment, Plan
from chaos.faults import FAULTS, Fault
from chaos.history import Answer
from chaos.report import Report, Totals

MACHINE = Machine("2026-01-01T00:00:00+00:00", "abc", "some processor", 2, 8.0, "6.1", 0.1)
FOLDED = Check("the shards are folded", [])


def experiment(*answers: Answer, faults: tuple[Fault, ...] = FAULTS, after: int = 10) -> Experiment:
    """Faults one after another, 10 s each."""
    episodes = [Episode(fault, 1000, begin, begin + 5, begin + 10) for begin, fault in enumerate(faults, start=10)]
    return Experiment(Plan(100_000, 50, 10, faults), 0, after, 0, 30, episodes, list(answers))


def test_the_totals_tell_what_became_of_all() -> None:
    answers = [
        *(Answer(1, 2, value) for value in range(1, 8)),
        Answer(1, 2, None, "a"),
        Answer(3, 4, 8, "a"),
        Answer(5, 6, 8, "a"),
        Answer(1, 2),
        Answer(1, 2),
        Answer(1, 2),
        Answer(1, 2, is_not_counted=True),
    ]

    assert report.totals(experiment(*answers)) == Totals(
        clients=50, counted=10, told=8, keyed=1, unknown=3, happened=2, errors=5
    )


@pytest.fixture
def made() -> Report:
    return report.make(MACHINE, experiment(*(Answer(at, at + 0.5, at) for at in range(1, 11))), [FOLDED])


def test_what_speaks_against_the_counter_is_named_by_its_check(made: Report) -> None:
    assert made.problems[0] == (
        "the goals are met: etcd's leader is killed: 9.5 s without an increment, and not 3 s at most"
    )
    wrong = report.make(MACHINE, experiment(faults=()), [Check("the members hold the same", ["no"]), FOLDED])
    assert wrong.problems == ["the members hold the same: no"]


def test_a_fault_is_told_in_a_line(made: Report) -> None:
    assert report.line(made.effects[0]) == (
        "etcd's leader is killed: 9.5 s at most without an increment (goal: 3 s), 1 got their value, "
        "0 requests got none"
    )


def test_the_table_fits_a_terminal_and_has_all_faults(made: Report) -> None:
    printed = io.StringIO()

    report.show(made, Console(file=printed, width=80))

    lines = printed.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    for fault in FAULTS:
        [line] = [line for line in lines if line.startswith(f"{fault.title} ")]
        assert line.removeprefix(fault.title).split()[0] == "5"
    assert "the shards are folded: yes" in lines


def test_all_of_it_is_written(made: Report, tmp_path: Path) -> None:
    file = tmp_path / "results" / "name.json"

    report.write(made, file)

    written = json.loads(file.read_text())
    assert written["totals"]["counted"] == 10
    assert len(written["effects"]) == len(FAULTS)
    assert written["checks"][0] == {"name": "the shards are folded", "problems": []}
    assert len(written["seconds"]) == 30
