import errno

import pytest

from local.errors import exit_code


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


def test_a_fault_of_the_program_is_shown_as_one() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        failing_with(OSError(errno.EBADF, "Bad file descriptor"))
