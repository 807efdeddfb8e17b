import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.commands import run
from local.errors import LocalError


def test_what_a_command_printed_is_returned() -> None:
    assert run(["sh", "-c", "echo out; echo err >&2"]) == "out\n"


def test_a_failed_command_is_told_with_its_exit_code_and_what_it_printed() -> None:
    with pytest.raises(LocalError) as error:
        run(["sh", "-c", "echo out; echo err >&2; exit 3"])

    assert str(error.value) == "`sh -c echo out; echo err >&2; exit 3` failed with exit code 3:\nout\nerr"


def test_only_the_last_lines_are_told() -> None:
    with pytest.raises(LocalError) as error:
        run(["sh", "-c", "seq 100; exit 1"])

    assert str(error.value).splitlines()[1:] == ["96", "97", "98", "99", "100"]


def test_a_program_that_there_is_not_is_told() -> None:
    with pytest.raises(LocalError, match="no-such-program: no such program"):
        run(["no-such-program"])


def test_a_program_that_may_not_be_run_is_told(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.touch(mode=0o644)

    with pytest.raises(LocalError, match=f"`{program} up`: {program}: permission denied"):
        run([program, "up"])


def test_output_that_is_not_text_is_returned_all_the_same() -> None:
    assert run(["printf", r"caf\351"]) == "caf\N{REPLACEMENT CHARACTER}"


def test_with_a_log_all_output_goes_there(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "command.log"

    run(["sh", "-c", "echo out; echo err >&2"], log=log)

    assert log.read_text() == "out\nerr\n"


def test_a_failed_command_names_its_log(tmp_path: Path) -> None:
    log = tmp_path / "command.log"

    with pytest.raises(LocalError) as error:
        run(["sh", "-c", "seq 100; exit 1"], log=log)

    [first, *rest] = str(error.value).splitlines()
    assert first == f"`sh -c seq 100; exit 1` failed with exit code 1 (all of it: {log}):"
    assert rest == ["96", "97", "98", "99", "100"]


def test_a_log_that_is_not_text_is_told_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="failed with exit code 1"):
        run(["sh", "-c", r"printf '\377\n'; exit 1"], log=tmp_path / "command.log")


def test_folder_and_environment_are_the_given_ones(tmp_path: Path) -> None:
    assert run(["/bin/sh", "-c", "echo $PWD $GREETING"], cwd=tmp_path, env={"GREETING": "hi"}) == f"{tmp_path} hi\n"


@pytest.fixture
def typed() -> Iterator[None]:
    """Somebody types something."""
    keyboard, hand = os.pipe()
    os.write(hand, b"yes")
    os.close(hand)
    before = os.dup(0)
    os.dup2(keyboard, 0)
    os.close(keyboard)
    yield
    os.dup2(before, 0)
    os.close(before)


@pytest.mark.usefixtures("typed")
def test_a_command_can_not_ask(tmp_path: Path) -> None:
    assert run(["cat"]) == ""

    log = tmp_path / "command.log"
    run(["cat"], log=log)
    assert log.read_text() == ""


def test_paths_are_words_of_a_command(tmp_path: Path) -> None:
    assert run(["echo", tmp_path]) == f"{tmp_path}\n"
