"""One deployment for all tests, on a local cluster of their own, made and unmade as users do it."""

import os
import sys
from collections.abc import Iterator

import pytest

from local.layout import find
from tests.e2e.claim import claimed
from tests.e2e.host import settings, traces
from tests.e2e.system import System, make

CLUSTER = "ha-counter-test"


@pytest.fixture(scope="session", autouse=True)
def alone() -> Iterator[None]:
    with claimed():
        yield


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """The counter, from `make up` to `make destroy`, of which nothing must be left."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a local cluster needs Linux and root")
    make("destroy", CLUSTER, YES="1")  # what an aborted run left behind
    before = settings()
    make("up", CLUSTER)
    layout = find(CLUSTER)
    assert layout is not None
    try:
        yield System(layout, port=int(make("output", CLUSTER)))
    finally:
        make("destroy", CLUSTER, YES="1")
    assert traces(layout) == {}
    assert not layout.state.exists()
    assert settings() == before


@pytest.fixture(autouse=True)
def whole(system: System) -> None:
    """Every test begins with a system that is well."""
    system.wait_until_whole()
