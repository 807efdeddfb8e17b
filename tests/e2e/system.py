"""Commands typed in a checkout, as a user types them, and what tests ask of pods."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]


def make(target: str, cluster: str, checkout: Path = CHECKOUT, **variables: str) -> str:
    """What `make TARGET` printed, for a local cluster of its own. Fails the test with all of it if it failed."""
    settings = [f"{name}={value}" for name, value in {"CLUSTER": cluster, **variables}.items()]
    return run(["make", "--no-print-directory", target, *settings], checkout)


def completed(
    command: list[str], folder: Path, environment: Mapping[str, str], timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """What became of a command that is asked nothing. Everything that it printed is in its `stdout`."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout,
    )


def run(command: list[str], folder: Path = CHECKOUT, **environment: str) -> str:
    done = completed(command, folder, environment)
    assert done.returncode == 0, f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stdout}"
    return done.stdout


def copy_of_checkout(folder: Path) -> Path:
    """A checkout that a test may change, with the same virtual environment."""
    copy = folder / "checkout"
    shutil.copytree(CHECKOUT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__"))
    (copy / ".venv").symlink_to(CHECKOUT / ".venv")
    return copy


def restarts(pod: dict[str, Any]) -> int:
    return sum(container["restartCount"] for container in pod["status"]["containerStatuses"])


def names(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods}


def uids(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}
