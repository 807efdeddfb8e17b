import os
import subprocess
import sys
from pathlib import Path

import pytest

from nfs import server

APP = Path(__file__).parents[3] / "app"


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """Whom files were given to, which takes root, by their names."""
    given: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(os, "chown", lambda path, user, group: given.update({Path(path).name: (user, group)}))
    return given


def test_the_volume_gets_what_the_configuration_names(tmp_path: Path, owners: dict[str, tuple[int, int]]) -> None:
    server.prepare(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"recovery", "snapshots"}
    assert owners == {"snapshots": (65532, 65532)}
    config = server.CONFIG.read_text()
    for folder in ("recovery", "snapshots"):
        assert f" = {server.VOLUME / folder};" in config


def test_what_is_on_it_stays(tmp_path: Path, owners: dict[str, tuple[int, int]]) -> None:
    del owners
    server.prepare(tmp_path)
    (tmp_path / "snapshots" / "kept").write_text("snapshot")

    server.prepare(tmp_path)

    assert (tmp_path / "snapshots" / "kept").read_text() == "snapshot"


def test_the_server_runs_in_the_foreground_and_logs_to_stdout() -> None:
    command = server.command()

    assert command[0] == "/usr/bin/ganesha.nfsd"
    assert "-F" in command
    assert command[command.index("-L") + 1] == "STDOUT"
    assert Path(command[command.index("-f") + 1]).name == "ganesha.conf"


def test_a_volume_that_is_not_there_is_told() -> None:
    if server.VOLUME.exists():
        pytest.skip(f"this machine has a {server.VOLUME}")
    done = subprocess.run(
        [sys.executable, "-m", "nfs"], env={**os.environ, "PYTHONPATH": str(APP)}, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert done.stderr.startswith("the NFS server can't be started: ")


@pytest.mark.parametrize("module", ["nfs", "nfs.probe"])
def test_it_has_help(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        env={**os.environ, "PYTHONPATH": str(APP)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0
    assert "NFS server" in done.stdout
