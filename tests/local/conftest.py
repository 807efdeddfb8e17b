"""Folders of their own for every test, a console that can be read, and what the engine needs, in memory."""

import fcntl
import io
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from rich.console import Console

from local import builder, deploy, engine, layout
from local.layout import Layout
from local.stack_config import StackConfig
from tests.local.fake_docker import FakeDocker
from tests.local.in_memory_kube import InMemoryKube
from tests.local.small_programs import FakeBuilder, Preview, Up, Write, afresh
from tests.quick_runs import quick_runs


@pytest.fixture(scope="session", autouse=True)
def quick() -> Iterator[None]:
    with quick_runs():
        yield


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


def is_locked(file: Path) -> bool:
    """Whether a command holds this lock."""
    with file.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_reserved(name: str) -> bool:
    """Whether a command has this cluster for itself."""
    return is_locked(layout.LOCK_ROOT / "clusters" / f"{name}.lock")


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> FakeBuilder:
    fake = FakeBuilder()
    monkeypatch.setattr(builder, "ensure", fake.ensure)
    monkeypatch.setattr(builder, "find", fake.find)
    monkeypatch.setattr(builder, "tag", fake.tag)
    return fake


@pytest.fixture
def connections() -> list[tuple[str, Path | None]]:
    """The contexts and kubeconfigs through which the cluster was reached."""
    return []


@pytest.fixture
def kube(connections: list[tuple[str, Path | None]], monkeypatch: pytest.MonkeyPatch) -> InMemoryKube:
    """The cluster that all contexts lead to."""
    fake = InMemoryKube()

    def connect(context: str, kubeconfig: Path | None = None) -> InMemoryKube:
        connections.append((context, kubeconfig))
        return fake

    monkeypatch.setattr(engine, "Kube", connect)
    monkeypatch.setattr(deploy, "Kube", connect)
    return fake


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a program, made of pieces such as those of `small_programs`; returns the configuration to run it with."""

    def write(*pieces: str, stack: str = "test") -> StackConfig:
        folder = tmp_path / "program"
        folder.mkdir(exist_ok=True)
        (folder / "__main__.py").write_text("".join(pieces))
        return StackConfig(folder, stack, {"ha-counter:context": "test", "ha-counter:kubeconfig": "/kubeconfig"})

    return write


@pytest.fixture
def up(kube: InMemoryKube, images: FakeBuilder, console: Console) -> Up:
    """Deploy as a process of its own would, with `kube` and `images`."""
    del kube, images
    return lambda config: afresh(lambda: deploy.up(config, console))


@pytest.fixture
def preview(kube: InMemoryKube, images: FakeBuilder) -> Preview:
    """The lines of a dry run."""
    del kube, images

    def preview(config: StackConfig) -> list[str]:
        printed = io.StringIO()
        afresh(lambda: deploy.preview(config, Console(file=printed, width=80)))
        return printed.getvalue().splitlines()

    return preview
