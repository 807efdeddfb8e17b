"""The way programs are run here must let tests fail."""

import pulumi
import pytest

from tests.infra.program_run import run_program


def test_an_apply_that_fails_fails_the_run() -> None:
    def program() -> None:
        pulumi.Output.from_input(1).apply(lambda one: one / 0)

    with pytest.raises(ZeroDivisionError):
        run_program({}, program=program)


def test_an_output_in_a_string_fails_the_run() -> None:
    def program() -> None:
        pulumi.export("greeting", f"hello {pulumi.Output.from_input('world')}")

    with pytest.raises(Exception, match=r"Calling __str__ on an Output\[T\] is not supported"):
        run_program({}, program=program)


def test_runs_know_nothing_of_one_another() -> None:
    run_program({}, program=lambda: pulumi.export("first", 1))
    second = run_program({}, program=lambda: pulumi.export("second", 2))

    assert second.outputs == {"second": 2}
