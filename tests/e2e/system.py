"""The running system as a user sees it: commands typed in the checkout, requests sent to a node."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from local.layout import Layout

CHECKOUT = Path(__file__).parents[2]
NAMESPACE = "ha-counter"

# Long enough for a busy machine; a test that waits for it in vain fails.
PATIENCE = 120.0


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


def eventually(what: str, holds: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until something holds; fail with its name and its last value if it never does."""
    deadline = time.monotonic() + patience
    while not (seen := holds()):
        assert time.monotonic() < deadline, f"not within {patience:.0f} s: {what} (last seen: {seen!r})"
        time.sleep(0.2)


@dataclass(frozen=True)
class System:
    """A deployed counter on a local cluster."""

    layout: Layout
    port: int
    namespace: str = NAMESPACE

    @property
    def address(self) -> str:
        return f"http://{self.layout.nodes[0].address}:{self.port}"

    def get(self, path: str, **options: Any) -> requests.Response:  # noqa: ANN401 - requests' own options
        """Ask on a new connection, so that kube-proxy picks a pod each time, and never twice."""
        with requests.Session() as session:
            session.trust_env = False
            return session.get(self.address + path, timeout=10, **options)

    def count(self) -> int:
        content: str = self.get("/fetch").json()["content"]
        return int(content.removeprefix("count value = "))

    def kubectl(self, *arguments: str) -> str:
        command = [str(CHECKOUT / ".venv/bin/python"), "-m", "local", "--name", self.layout.name, "kubectl"]
        return run([*command, "--namespace", self.namespace, *arguments])

    def pods(self, app: str) -> list[dict[str, Any]]:
        """The pods of `etcd` or `counter` that are not on their way out."""
        listed = json.loads(self.kubectl("get", "pods", "-l", f"app.kubernetes.io/name={app}", "-o", "json"))
        return [pod for pod in listed["items"] if "deletionTimestamp" not in pod["metadata"]]

    def ready_pods(self, app: str) -> list[dict[str, Any]]:
        return [pod for pod in self.pods(app) if is_ready(pod)]

    def wait_until_whole(self) -> None:
        """Wait until three members and three replicas are ready, and the counter answers."""
        eventually("three members ready", lambda: len(self.ready_pods("etcd")) == 3)
        eventually("three replicas ready", lambda: len(self.ready_pods("counter")) == 3)
        eventually("an answer", self._answers)

    def _answers(self) -> bool:
        try:
            return self.get("/healthz").status_code == 200
        except requests.ConnectionError:  # a pod that is gone is not known to be so on every node yet
            return False


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def restarts(pod: dict[str, Any]) -> int:
    return sum(container["restartCount"] for container in pod["status"]["containerStatuses"])


def names(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods}


def uids(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}
