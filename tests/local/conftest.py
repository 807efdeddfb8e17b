"""Folders of their own for every test, and a console that can be read."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from local import layout
from local.layout import Layout


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
