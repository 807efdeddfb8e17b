"""The running counter, as those who use it and those who operate it reach it."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import requests

from local import binaries, commands, daemons
from local.errors import LocalError
from local.health import answers_ok
from local.kube import is_ready
from local.layout import Layout

NAMESPACE = "ha-counter"

# Seconds. Long enough for a busy machine; who waits for it in vain fails.
PATIENCE = 120.0

Pod = dict[str, Any]

_Seen = TypeVar("_Seen")


def eventually(what: str, look: Callable[[], _Seen | None], patience: float = PATIENCE) -> _Seen:
    """Look again and again until something is seen, and return it.

    Raises LocalError with its name, and what was seen last, if it is nothing after so many seconds.
    """
    deadline = time.monotonic() + patience
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise LocalError(f"not within {patience:.0f} s: {what} (last seen: {seen!r})")
        time.sleep(0.2)
    return seen


@dataclass(frozen=True)
class System:
    """A deployed counter on a local cluster."""

    layout: Layout
    port: int
    namespace: str = NAMESPACE

    @property
    def addresses(self) -> list[str]:
        """The nodes', all of which lead to all replicas."""
        return [str(node.address) for node in self.layout.nodes]

    @property
    def address(self) -> str:
        """Where the counter answers at the first node."""
        return f"http://{self.addresses[0]}:{self.port}"

    def get(self, path: str, **options: Any) -> requests.Response:  # noqa: ANN401 - requests' own options
        """Ask on a new connection, so that kube-proxy picks a pod each time, and never twice."""
        with requests.Session() as session:
            session.trust_env = False  # a proxy for the outside can't reach the nodes
            return session.get(self.address + path, timeout=10, **options)

    def count(self) -> int:
        """The count. Raises LocalError if it is not told."""
        try:
            content: str = self.get("/fetch").json()["content"]
        except (requests.RequestException, KeyError) as error:
            raise LocalError(f"{self.address}/fetch: no count in its answer: {error}") from error
        return int(content.removeprefix("count value = "))

    def kubectl(self, *arguments: str) -> str:
        """What kubectl printed. Raises LocalError if it fails."""
        command = [str(binaries.folder() / "kubectl"), "--namespace", self.namespace, *arguments]
        return commands.run(command, env={**os.environ, **self.layout.environment})

    def pods(self, app: str) -> list[Pod]:
        """The pods of `etcd` or `counter` that are not on their way out."""
        listed = json.loads(self.kubectl("get", "pods", "-l", f"app.kubernetes.io/name={app}", "-o", "json"))
        return [pod for pod in listed["items"] if "deletionTimestamp" not in pod["metadata"]]

    def ready_pods(self, app: str) -> list[Pod]:
        """Those of them that are ready."""
        return [pod for pod in self.pods(app) if is_ready(pod)]

    def wait_until_whole(self) -> None:
        """Wait until three members and three replicas are ready, the members agree, and the counter answers.

        Raises LocalError with what may tell why they are not.
        """
        try:
            eventually("three members ready", lambda: len(self.ready_pods("etcd")) == 3)
            eventually("three members that agree", self._members_agree)
            eventually("three replicas ready", lambda: len(self.ready_pods("counter")) == 3)
            eventually("an answer", lambda: answers_ok(f"{self.address}/healthz"))
        except LocalError as error:
            raise LocalError(f"{error}\n{self._symptoms()}") from error

    def _symptoms(self) -> str:
        """What may tell why it is not whole."""
        ended = daemons.ended(self.layout)
        try:
            pods = self.kubectl("get", "pods", "-o", "wide") + self.kubectl("events", "--types=Warning")
        except LocalError as error:
            pods = str(error)
        return f"daemons that ended: {', '.join(ended) or 'none'}\n{pods}"

    def _members_agree(self) -> bool:
        """Whether each member is in touch with a quorum. Kubernetes may take one for ready that isn't: nobody tells of
        pods whose node is cut off, and afterwards the member needs up to ten seconds to find the others again."""
        try:
            for pod in self.pods("etcd"):
                self.kubectl("exec", pod["metadata"]["name"], "--", "etcdctl", "endpoint", "health")
        except LocalError:
            return False
        return True
