import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

APP = Path(__file__).parents[3] / "app"


def log_of(program: str, level: str = "info") -> list[dict[str, str]]:
    """The lines that a program has on stdout when it logs from this level on."""
    setup = f"import logging; from service import logs; logs.set_up({level!r}, 'pod-1'); log = logging.getLogger('a.b')"
    result = subprocess.run(
        [sys.executable, "-c", f"{setup}\n{program}"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(APP)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_line_tells_when_how_bad_where_from_and_what() -> None:
    [line] = log_of("log.warning('%s is %d', 'it', 3)")
    then = datetime.fromisoformat(line.pop("timestamp"))
    assert then.utcoffset() == timedelta(0)
    assert line == {"level": "warning", "logger": "a.b", "message": "it is 3", "pod": "pod-1"}


def test_a_message_of_many_lines_is_one() -> None:
    [line] = log_of("""log.warning('one\\ntwo "three" \\x00 \\ud800 ü')""")
    assert line["message"] == 'one\ntwo "three" \x00 \ud800 ü'


def test_an_exception_is_one_field() -> None:
    [line] = log_of("""
try:
    raise RuntimeError("for a reason")
except RuntimeError:
    log.exception("it failed")
""")
    assert line["message"] == "it failed"
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("RuntimeError: for a reason")


@pytest.mark.parametrize(
    ("level", "logged"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_what_is_less_than_the_level_is_left_out(level: str, logged: list[str]) -> None:
    lines = log_of("for each in [log.debug, log.info, log.warning, log.error]: each('x')", level)
    assert [line["level"] for line in lines] == logged
