"""One deployment for all tests, on a local cluster of their own, made and unmade as users do it."""

import os
import sys
from collections.abc import Iterator

import pytest

from chaos.system import System
from local.errors import LocalError
from local.layout import find
from tests.e2e.claim import claimed
from tests.e2e.host import Host, adopt_orphans, differences, look
from tests.e2e.system import CHECKOUT, make, run

CLUSTER = "ha-counter-test"


@pytest.fixture(scope="session", autouse=True)
def alone() -> Iterator[None]:
    with claimed():
        yield


@pytest.fixture(scope="session")
def host_before() -> Host:
    """This machine before `make up`, with the packages and programs on it that stay for the next cluster."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a local cluster needs Linux and root")
    make("destroy", CLUSTER, YES="1")  # what an aborted run left behind
    run([str(CHECKOUT / ".venv/bin/python"), "-m", "local", "build"])
    adopt_orphans()
    return look(CLUSTER)


@pytest.fixture(scope="session")
def system(host_before: Host) -> Iterator[System]:
    """The counter, from `make up` to `make destroy`, of which nothing must be left."""
    make("up", CLUSTER)
    layout = find(CLUSTER)
    assert layout is not None
    try:
        yield System(layout, port=int(make("output", CLUSTER)))
    finally:
        make("destroy", CLUSTER, YES="1")
    assert differences(host_before, look(CLUSTER)) == {}
    assert not layout.state.exists()


@pytest.fixture(autouse=True)
def whole(system: System, request: pytest.FixtureRequest) -> None:
    """Every test begins with a system that is well. One that does not get well ends the run: all others would wait."""
    try:
        system.wait_until_whole()
    except LocalError:
        request.session.shouldfail = "the system is not whole"
        raise
