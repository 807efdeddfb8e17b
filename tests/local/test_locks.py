"""Locks between processes: the other one is a real one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.locks import held

HOLDER = """
import sys, time
from pathlib import Path
from local.locks import held
file = Path(sys.argv[1])
with held(file, print):
    print("holds", flush=True)
    sys.stdin.readline()
    time.sleep(0.05)  # for one who does not wait to be found out
    file.with_name("done").touch()
"""


@contextmanager
def holding(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds the lock until it reads a line."""
    command = [sys.executable, "-c", HOLDER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "holds\n"
        try:
            yield other
        finally:
            other.kill()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "lock"


def test_a_free_lock_is_taken_without_a_word(file: Path) -> None:
    told: list[str] = []

    for _ in range(2):
        with held(file, told.append):
            pass

    assert told == []


def test_who_waits_is_told_for_whom(file: Path) -> None:
    told: list[str] = []
    file.parent.mkdir()
    file.write_text("process 1, an earlier holder")
    with holding(file) as other:

        def tell(text: str) -> None:
            told.append(text)
            assert other.stdin is not None
            other.stdin.write("go\n")
            other.stdin.flush()

        with held(file, tell):
            assert file.with_name("done").exists()

    [text] = told
    assert text.startswith(f"waiting for another command to finish: process {other.pid}, {sys.executable} -c")


def test_a_killed_holder_holds_nothing(file: Path) -> None:
    with holding(file) as other:
        other.kill()
        other.wait()
        told: list[str] = []
        with held(file, told.append):
            assert told == []


def test_a_program_that_the_holder_started_does_not_hold_it(file: Path) -> None:
    told: list[str] = []
    with held(file, told.append):
        daemon = subprocess.Popen(["sleep", "60"])
    with held(file, told.append):
        assert told == []
    daemon.kill()
    daemon.wait()
