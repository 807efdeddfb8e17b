import io
import re

import pytest
from rich.console import Console

from local.outcomes import Outcome, Outcomes


def tell(outcomes: Outcomes, what: str, outcome: Outcome, *differences: str) -> None:
    with outcomes.of(what) as work:
        work.outcome = outcome
        work.differences = list(differences)


def test_each_outcome_is_told_with_its_time(console: Console, printed: io.StringIO) -> None:
    outcomes = Outcomes(console, dry_run=False)

    tell(outcomes, "Service app/web", Outcome.MADE)
    tell(outcomes, "ConfigMap app/[settings]", Outcome.CHANGED, "data.key: 1 -> 2")

    assert re.sub(r"\d\.\d", "0.0", printed.getvalue()) == (
        "  Service app/web: made, 0.0 s\n  ConfigMap app/[settings]: changed, 0.0 s\n"
    )


def test_in_a_dry_run_it_is_told_what_would_be(console: Console, printed: io.StringIO) -> None:
    outcomes = Outcomes(console, dry_run=True)

    tell(outcomes, "Service app/web", Outcome.UNCHANGED)
    tell(outcomes, "ConfigMap app/settings", Outcome.CHANGED, "data.key: 1 -> 2", "data.more: (none) -> 3")

    assert printed.getvalue() == (
        "  Service app/web: unchanged\n"
        "  ConfigMap app/settings: would be changed\n      data.key: 1 -> 2\n      data.more: (none) -> 3\n"
    )


def test_what_fails_is_not_told_here(console: Console, printed: io.StringIO) -> None:
    outcomes = Outcomes(console, dry_run=False)

    with pytest.raises(ZeroDivisionError), outcomes.of("Service app/web"):
        _ = 1 / 0

    assert printed.getvalue() == ""
    assert outcomes.summary() == "0 changed, 0 unchanged"


def test_a_state_is_reported_once(console: Console, printed: io.StringIO) -> None:
    with Outcomes(console, dry_run=False).of("Deployment app/web") as work:
        for state in ("0 of 2 pods ready", "0 of 2 pods ready", "1 of 2 pods ready"):
            work.report(state)

    assert printed.getvalue().splitlines()[:-1] == [
        "  Deployment app/web: 0 of 2 pods ready ...",
        "  Deployment app/web: 1 of 2 pods ready ...",
    ]


@pytest.mark.parametrize(
    ("dry_run", "summary"), [(False, "4 changed, 1 unchanged"), (True, "4 would change, 1 would not")]
)
def test_in_the_end_they_are_counted(console: Console, dry_run: bool, summary: str) -> None:
    outcomes = Outcomes(console, dry_run=dry_run)

    for outcome in Outcome:
        tell(outcomes, "thing", outcome)

    assert outcomes.summary() == summary


def test_long_lines_stay_one_line() -> None:
    printed = io.StringIO()

    tell(Outcomes(Console(file=printed, width=20), dry_run=True), "ConfigMap app/" + "x" * 100, Outcome.MADE)

    assert len(printed.getvalue().splitlines()) == 1
