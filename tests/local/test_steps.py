import io
import re
import threading

import pytest
from rich.console import Console

from local.steps import Steps


def test_each_step_is_told_when_it_is_done(console: Console, printed: io.StringIO) -> None:
    steps = Steps(["first", "second"], console)

    with steps.shown():
        with steps.step("first"):
            assert printed.getvalue() == ""
        with steps.step("second"):
            assert re.fullmatch(r"\[1/2\] first: done, \d\.\d s\n", printed.getvalue())

    assert re.fullmatch(r"\[2/2\] second: done, \d\.\d s", printed.getvalue().splitlines()[1])


def test_a_step_that_fails_is_told_and_its_error_goes_on(console: Console, printed: io.StringIO) -> None:
    steps = Steps(["first", "second"], console)

    with pytest.raises(ZeroDivisionError), steps.shown(), steps.step("first"):
        raise ZeroDivisionError

    assert printed.getvalue().startswith("[1/2] first: failed")


def test_what_a_step_is_at_is_only_for_terminals(console: Console, printed: io.StringIO) -> None:
    with Steps(["first"], console).step("first") as report:
        report("half of it")

    assert "half of it" not in printed.getvalue()


def test_titles_may_hold_square_brackets(console: Console, printed: io.StringIO) -> None:
    with Steps(["[red]"], console).step("[red]"):
        pass

    assert printed.getvalue().startswith("[1/1] [red]: done")


def test_steps_may_run_beside_one_another(console: Console, printed: io.StringIO) -> None:
    steps = Steps(["first", "second"], console)
    second_is_done = threading.Event()

    def second() -> None:
        with steps.step("second"):
            pass
        second_is_done.set()

    with steps.step("first"):
        threading.Thread(target=second).start()
        assert second_is_done.wait(timeout=5)

    told = [line.rpartition(",")[0] for line in printed.getvalue().splitlines()]
    assert told == ["[1/2] second: done", "[2/2] first: done"]


def test_on_a_terminal_the_steps_to_go_are_shown_too() -> None:
    screen = io.StringIO()
    steps = Steps(["first", "second"], Console(file=screen, force_terminal=True, width=100))

    with steps.shown(), steps.step("first"):
        pass

    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert [line.split() for line in text.splitlines()[-2:]] == [["done", "first", "0", "s"], ["·", "second"]]
    assert "[1/2]" not in text
