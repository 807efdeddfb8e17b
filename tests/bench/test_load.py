import shutil
from pathlib import Path

import pytest

from bench.load import Load, parse, require_wrk
from local.errors import LocalError

WRK = """Running 3s test @ http://10.203.0.11:30180/increment
  1 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    31.20ms   14.11ms 131.18ms   80.58%
    Req/Sec     1.63k   364.55     2.16k    70.00%
  4893 requests in 3.01s, 1.02MB read
  Non-2xx or 3xx responses: 13
Requests/sec:   1625.58
Transfer/sec:    346.07KB
"""


def summary(**changes: int) -> str:
    """What wrk prints with our script at its end."""
    values = {
        "microseconds": 3_010_000,
        "requests": 4893,
        "refused": 0,
        "broken": 0,
        "late": 0,
        "p50": 29_500,
        "p99": 85_250,
        **changes,
    }
    return WRK + "{" + ", ".join(f'"{name}": {value}' for name, value in values.items()) + "}\n"


def test_the_script_summary_is_what_counts() -> None:
    assert parse(summary()) == Load(seconds=3.01, answers=4893, failures=0, p50=29.5, p99=85.25)


def test_the_rate_is_of_answers_per_second() -> None:
    assert Load(seconds=4.0, answers=100, failures=0, p50=1, p99=2).rate == 25.0


def test_a_refused_request_is_no_answer() -> None:
    load = parse(summary(refused=13))

    assert (load.answers, load.failures) == (4880, 13)


def test_whatever_went_wrong_is_a_failure() -> None:
    assert parse(summary(refused=1, broken=20, late=300)).failures == 321


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (WRK, "no summary"),
        ("unable to connect to 10.203.0.11:30180 Connection refused", "Connection refused"),
        (summary(requests=0), "no answer"),
        (summary(requests=13, refused=13), "no answer"),
    ],
)
def test_a_run_without_an_answer_is_no_measurement(output: str, message: str) -> None:
    with pytest.raises(LocalError, match=message):
        parse(output)


def test_a_missing_wrk_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("wrk") is None

    with pytest.raises(LocalError, match="apt-get install wrk"):
        require_wrk()
