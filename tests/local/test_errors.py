import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.errors import exit_code

CHECKOUT = Path(__file__).parents[2]


def failing_with(error: OSError) -> int:
    def command() -> int:
        raise error

    return exit_code(command)


@pytest.mark.parametrize(("number", "reason"), [(errno.ENOSPC, "No space left"), (errno.EDQUOT, "Quota exceeded")])
@pytest.mark.parametrize(("file", "name"), [("/var/state.json", "/var/state.json"), (None, "a file")])
def test_a_full_disk_is_no_fault_of_the_program(
    capsys: pytest.CaptureFixture[str], number: int, reason: str, file: str | None, name: str
) -> None:
    assert failing_with(OSError(number, reason, file)) == 1
    assert capsys.readouterr().err == f"error: {name} can't be written: {reason}\n"


def test_who_reads_no_further_is_no_fault(tmp_path: Path) -> None:
    program = "from local.errors import exit_code\nexit_code(lambda: print('line\\n' * 100_000) or 0)"
    command = f'{sys.executable} -c "$PROGRAM" | head -1'
    environment = {"PATH": os.environ["PATH"], "PROGRAM": program, "PYTHONPATH": str(CHECKOUT)}
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "line\n", "")


def test_a_connection_that_breaks_is_no_success() -> None:
    with pytest.raises(BrokenPipeError):
        failing_with(BrokenPipeError(errno.EPIPE, "Broken pipe"))


def test_a_fault_of_the_program_is_shown_as_one() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        failing_with(OSError(errno.EBADF, "Bad file descriptor"))
