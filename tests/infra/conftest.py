"""One run of the program, that most tests look at."""

from collections.abc import Iterator

import pytest

from tests.infra.program_run import ProgramRun, run_program
from tests.infra.stack_config import full_config


@pytest.fixture(scope="session", autouse=True)
def outputs_in_strings_raise() -> Iterator[None]:
    """An Output that is formatted into a string raises, where Pulumi would leave an error text in the string."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_ERROR_OUTPUT_STRING", "true")
        yield


@pytest.fixture(scope="session")
def run() -> ProgramRun:
    """The program's run with nothing configured but what must be."""
    return run_program(full_config())
