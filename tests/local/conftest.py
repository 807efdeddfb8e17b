"""Folders of their own for every test, a console that can be read, and a Docker engine in memory."""

import fcntl
import io
from pathlib import Path

import docker
import pytest
from rich.console import Console

from local import layout
from local.layout import Layout
from tests.local.fake_docker import FakeDocker


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps every test away from this machine's clusters, caches and kubeconfigs."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for variable in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "KUBECONFIG", "DOCKER_HOST"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(layout, "STATE_ROOT", tmp_path / "state")
    monkeypatch.setattr(layout, "RUN_ROOT", tmp_path / "run")
    monkeypatch.setattr(layout, "LOCK_ROOT", tmp_path / "lock")
    return folder


@pytest.fixture
def cluster() -> Layout:
    """Where a cluster would keep its things."""
    return Layout("test", 0)


@pytest.fixture
def printed() -> io.StringIO:
    """What was printed on the console."""
    return io.StringIO()


@pytest.fixture
def console(printed: io.StringIO) -> Console:
    """A console that is no terminal."""
    return Console(file=printed, width=200)


@pytest.fixture(name="engine")
def docker_engine(monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    """The Docker engine that all clients reach."""
    fake = FakeDocker()
    monkeypatch.setattr(docker, "from_env", lambda **_: fake)
    return fake


def is_reserved(name: str) -> bool:
    """Whether a command has this cluster for itself."""
    with (layout.LOCK_ROOT / "clusters" / f"{name}.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
