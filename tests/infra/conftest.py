"""Runs of the program that many tests look at."""

from collections.abc import Iterator

import pytest

from tests.infra.program_run import ProgramRun, run_program
from tests.infra.stack_config import full_config
from tests.quick_runs import quick_runs


@pytest.fixture(scope="session", autouse=True)
def outputs_in_strings_raise() -> Iterator[None]:
    """An Output that is formatted into a string raises, where Pulumi would leave an error text in the string."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_ERROR_OUTPUT_STRING", "true")
        yield


@pytest.fixture(scope="session", autouse=True)
def quick() -> Iterator[None]:
    with quick_runs():
        yield


@pytest.fixture(scope="session")
def run() -> ProgramRun:
    """The program's run with nothing configured but what must be."""
    return run_program(full_config())


@pytest.fixture(scope="session")
def with_export() -> ProgramRun:
    """The program's run with snapshots on an NFS server that is there already."""
    return run_program(full_config() | {"snapshotVolume": "export", "snapshotExport": "nas.example.com:/a/b"})


@pytest.fixture(scope="session")
def with_claim() -> ProgramRun:
    """The program's run with snapshots on a volume that is claimed already."""
    return run_program(full_config() | {"snapshotVolume": "claim", "snapshotClaim": "mine"})


@pytest.fixture(scope="session")
def without_backup() -> ProgramRun:
    """The program's run without snapshots."""
    return run_program(full_config() | {"snapshotVolume": "none"})


@pytest.fixture(params=["with_export", "with_claim", "without_backup"])
def without_server(request: pytest.FixtureRequest) -> ProgramRun:
    """Each of the runs that need no NFS server."""
    run: ProgramRun = request.getfixturevalue(request.param)
    return run
