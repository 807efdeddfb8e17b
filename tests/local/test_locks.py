"""Locks between processes: the other one is a real one."""

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from local.locks import held
from tests.local.conftest import is_locked

HOLDER = """
import sys, time
from pathlib import Path
from rich.console import Console
from local.locks import held
file = Path(sys.argv[1])
with held(file, Console()):
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


def test_a_free_lock_is_taken_without_a_word(file: Path, console: Console, printed: io.StringIO) -> None:
    for _ in range(2):
        with held(file, console):
            pass

    assert printed.getvalue() == ""


class Ending(io.StringIO):
    """A console's file. As soon as something is printed to it, the holder is told to end."""

    def __init__(self, holder: subprocess.Popen[str]) -> None:
        super().__init__()
        self._holder = holder

    def write(self, text: str) -> int:
        assert self._holder.stdin is not None
        self._holder.stdin.write("go\n")
        self._holder.stdin.flush()
        return super().write(text)


def test_who_waits_is_told_for_whom(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("process 1, an earlier holder")
    with holding(file) as other:
        printed = Ending(other)

        with held(file, Console(file=printed, width=20)):
            assert file.with_name("done").exists()

    text = printed.getvalue()
    assert text.startswith(f"waiting for another command to finish: process {other.pid}, {sys.executable} -c")


def test_a_killed_holder_holds_nothing(file: Path) -> None:
    with holding(file) as other:
        assert is_locked(file)
        other.kill()
        other.wait()
        assert not is_locked(file)


def test_a_program_that_the_holder_started_does_not_hold_it(file: Path, console: Console) -> None:
    with held(file, console):
        daemon = subprocess.Popen(["sleep", "60"])
        assert is_locked(file)
    assert not is_locked(file)
    daemon.kill()
    daemon.wait()
