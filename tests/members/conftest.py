"""Real etcd members for the counting code, without Kubernetes."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from backup.metrics import Metrics
from backup.service import Backup
from etcd.endpoints import Endpoint
from local import binaries
from local.errors import LocalError
from tests.members import backing_up
from tests.members.cluster import Cluster
from tests.members.one_replica import SHORT_TIMES

StartCluster = Callable[..., Cluster]
StartBackup = Callable[..., Backup]
Report = Callable[[str], None]

_REPORTED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder with etcd's programs, as they are built for the local cluster."""
    if sys.platform != "linux":
        pytest.skip("these tests need Linux")
    try:
        return binaries.build(binaries.folder().with_suffix(".log"), progress=lambda _: None)
    except LocalError as error:
        pytest.skip(f"there is no etcd: {error}")


@pytest.fixture(scope="session")
def shared_cluster(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with closing(Cluster(tmp_path_factory.mktemp("members"), programs)) as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """Three members that are well. Other tests have counted there."""
    yield shared_cluster
    for member in shared_cluster.members:
        if member.process:
            member.resume()
    shared_cluster.start()


@pytest.fixture
def start_cluster(programs: Path, tmp_path: Path) -> Iterator[StartCluster]:
    """Start three members for one test alone, with more options."""
    with ExitStack() as stack:

        def start(*options: str) -> Cluster:
            cluster = stack.enter_context(closing(Cluster(tmp_path, programs, options)))
            cluster.start()
            return cluster

        yield start


@pytest.fixture
def programs_on_path(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put_on_path(programs, monkeypatch)


@pytest.fixture
def start_backup(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StartBackup]:
    """Start backup in this process, for one test. All that are started have the same volume. It looks often at that."""
    _put_on_path(programs, monkeypatch)
    monkeypatch.setattr("backup.service.WORK_INTERVAL", 0.3)
    monkeypatch.setattr("backup.service.RETENTION_INTERVAL", 1.0)
    monkeypatch.setattr("backup.retention.FREE_SHARE", 10**9)  # however full this machine is
    (tmp_path / "volume").mkdir()
    with ExitStack() as stack:

        def start(endpoints: Sequence[Endpoint], folder: Path = tmp_path, interval: int = 3600) -> Backup:
            settings = backing_up.settings(endpoints, folder, interval)
            return stack.enter_context(closing(Backup(settings, Metrics())))

        yield start


@pytest.fixture(autouse=True)
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients ask the members in a fixed order, not at random: from the second on, and the first last. They don't look
    for the leader, so that a test knows whom they ask."""
    monkeypatch.setattr("etcd.client.random", SimpleNamespace(sample=lambda endpoints, k: endpoints[:k]))
    monkeypatch.setattr("etcd.client.LEADER_INTERVAL", 3600.0)


@pytest.fixture(autouse=True)
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas soon share transactions, however few clients they have."""
    monkeypatch.setattr("counter.sharing.SHARED_FROM", 1)
    monkeypatch.setattr("counter.replica.FOLD_INTERVAL", 0.5)


@pytest.fixture
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that is gone is noticed within seconds."""
    for name, seconds in SHORT_TIMES.items():
        monkeypatch.setattr(name, seconds)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Have a line told at the end of the run."""
    return request.config.stash.setdefault(_REPORTED, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash.get(_REPORTED, [])
    if lines:
        terminalreporter.section("longest time without an acknowledged increment")
        terminalreporter.write_line("anywhere at a replica  reads failed")
        for line in lines:
            terminalreporter.write_line(line)


def _put_on_path(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
