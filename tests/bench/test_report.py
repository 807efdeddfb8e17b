import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import report
from bench.counts import Count
from bench.load import Load
from bench.machine import Machine
from bench.report import Report
from bench.rounds import Measurement, Plan
from bench.scaling import SizedMeasurement
from bench.targets import (
    GO_STATIC,
    GUNICORN_INCREMENT,
    GUNICORN_STATIC,
    HEALTHZ,
    INCREMENT,
    LOCK_INCREMENT,
    RAW_TRANSACTION,
    STATIC,
)

RATES = {
    INCREMENT: 1500,
    LOCK_INCREMENT: 60,
    GUNICORN_INCREMENT: 750,
    STATIC: 3000,
    GO_STATIC: 6000,
    GUNICORN_STATIC: 2500,
    HEALTHZ: 2850,
}


def run(target: str = INCREMENT, number: int = 1, failures: int = 0, count: Count | None = None) -> Measurement:
    return Measurement(number, 50, target, Load(10.0, RATES[target] * 10, failures, 1.25, 20.0), count)


@pytest.fixture
def made() -> Report:
    """A report on two rounds at one concurrency."""
    machine = Machine("2026-01-01T00:00:00+00:00", "abc", "some processor", 2, 8.0, "6.1", 0.1)
    runs = [run(target, number) for number in (1, 2) for target in RATES]
    alone = [Measurement(1, 1, INCREMENT, Load(10.0, 3000, 0, 3.4, 9.0), None)]
    alone += [Measurement(1, 1, RAW_TRANSACTION, Load(10.0, 5000, 0, 2.0, 5.0), None)]
    sized = [SizedMeasurement(replicas, run()) for replicas in (1, 6)]
    return report.make(machine, Plan(2, 10, (1, 50)), [*runs, *alone], sized)


@pytest.mark.parametrize(
    ("measurement", "said"),
    [
        (run(), "round 1, c = 50, /increment: 1,500/s, p50 1.2 ms, p99 20.0 ms"),
        (run(LOCK_INCREMENT), "round 1, c = 50, /increment, lock: 60.0/s, p50 1.2 ms, p99 20.0 ms"),
        (run(failures=7), "7 failed"),
        (run(count=Count(told=15000, lost=0, untold=50)), "count exact"),
        (run(count=Count(told=15000, lost=3, untold=0)), "3 of 15,000 lost"),
        (run(count=Count(told=15000, lost=0, untold=51)), "51 counted that nobody was told"),
    ],
)
def test_a_run_is_told_in_a_line(measurement: Measurement, said: str) -> None:
    assert said in report.line(measurement)


def test_a_run_on_so_many_replicas_says_how_many() -> None:
    assert report.sized_line(SizedMeasurement(6, run())).startswith("replicas: 6, round 1, c = 50, /increment: 1,500/s")


def test_the_tables_fit_a_terminal_and_have_all_rates_and_ratios(made: Report) -> None:
    printed = io.StringIO()

    report.show(made, Console(file=printed, width=80))

    lines = [" ".join(line.split()) for line in printed.getvalue().splitlines()]
    assert max(map(len, printed.getvalue().splitlines())) <= 80
    for target, rate in RATES.items():
        assert " ".join([target, "50", *[report.rate(rate)] * 3, "1.2", "20.0", "0"]) in lines
    assert "/increment over /increment, lock 50 25.0 25.0 25.0 ≥ 25 yes" in lines
    assert "/increment over /increment, gunicorn 50 2.00 2.00 2.00" in lines
    assert "/increment over raw transaction, p50 1 1.70 1.70 1.70 ≤ 1.6 no" in lines
    assert "/static over /static, Go 50 0.50 0.50 0.50 ≥ 0.6 no" in lines
    assert "6 1,500 1,500 1,500 1.2 20.0 0" in lines


def test_all_runs_are_written(made: Report, tmp_path: Path) -> None:
    file = tmp_path / "results" / "name.json"

    report.write(made, file)

    written = json.loads(file.read_text())
    assert len(written["measurements"]) == 16
    assert [sized["replicas"] for sized in written["sized_measurements"]] == [1, 6]
    assert [size["summary"]["rate"]["median"] for size in written["sizes"]] == [1500.0, 1500.0]
    lock = next(ratio for ratio in written["ratios"] if ratio["comparison"]["denominator"] == LOCK_INCREMENT)
    assert (lock["comparison"]["at_least"]["50"], lock["holds"]) == (25, True)
    assert written["machine"]["processors"] == 2
    assert written["plan"] == {"rounds": 2, "seconds": 10, "concurrencies": [1, 50]}
    assert written["summaries"][0]["rate"] == {"median": 2850.0, "least": 2850.0, "most": 2850.0}
