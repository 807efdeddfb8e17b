"""The deployed counter: its image, its pods, and how many there are."""

import time
from dataclasses import dataclass

from bench import answers
from bench.cluster import FIELD_MANAGER
from local import rollout
from local.errors import LocalError
from local.kube import Kube, Object, describe

PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.3


@dataclass(frozen=True)
class DeployedCounter:
    """The counter in a namespace, and where a node answers for it."""

    kube: Kube
    namespace: str
    server: str

    def image(self) -> str:
        """The image that its pods run. Raises LocalError if it is not deployed."""
        live = self.kube.get(self._deployment)
        if live is None:
            raise LocalError(f"{describe(self._deployment)}: it is not deployed")
        return str(live["spec"]["template"]["spec"]["containers"][0]["image"])

    def pods(self) -> list[str]:
        """The names of its pods, those on their way out among them, sorted."""
        pods = self.kube.list("v1", "Pod", self.namespace, "app.kubernetes.io/name=counter")
        return sorted(pod["metadata"]["name"] for pod in pods)

    def scale(self, replicas: int) -> None:
        """Have so many pods, all of which answer, and no others that still end. Raises LocalError if that fails."""
        live = self.kube.apply({**self._deployment, "spec": {"replicas": replicas}}, FIELD_MANAGER)
        rollout.wait(self.kube, live, lambda _: None)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(pods := self.pods()) != replicas:
            if time.monotonic() > deadline:
                raise LocalError(
                    f"{describe(live)}: {', '.join(pods)} are there {PATIENCE_SECONDS:.0f} s after it was scaled to "
                    f"{replicas} pods"
                )
            time.sleep(POLL_SECONDS)
        answers.wait_for_pods(self.server, pods)

    @property
    def _deployment(self) -> Object:
        metadata = {"name": "counter-deployment", "namespace": self.namespace}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
