"""Whether a workload runs as its object says, and if not, why not."""

import time
from collections.abc import Callable

from local.errors import LocalError
from local.kube import Kube, Object, describe

TIMEOUT = 300.0
POLL_INTERVAL = 0.3


def wait(kube: Kube, item: Object, report: Callable[[str], None]) -> None:
    """Wait until all replicas of a Deployment or StatefulSet are of its newest revision and ready.

    Other kinds are there as soon as they exist. Raises LocalError that says what the pods lack.
    """
    if item["kind"] not in ("Deployment", "StatefulSet"):
        return
    deadline = time.monotonic() + TIMEOUT
    while True:
        live = kube.get(item)
        if live is None:
            raise LocalError(f"{describe(item)}: somebody deleted it while it was rolled out")
        wanted, ready = live["spec"]["replicas"], _up_to_date_and_ready(live)
        if ready == wanted and _is_observed(live):
            return
        if time.monotonic() > deadline:
            troubles = "; ".join(_troubles(kube, live)) or "no pod says why"
            raise LocalError(f"{describe(item)}: {ready} of {wanted} pods ready after {TIMEOUT:.0f} s: {troubles}")
        report(f"{ready} of {wanted} pods ready")
        time.sleep(POLL_INTERVAL)


def _up_to_date_and_ready(live: Object) -> int:
    """How many pods are ready, not counting any while some are of an older revision or surplus."""
    status = live.get("status", {})
    if not _is_observed(live):
        return 0
    ready = int(status.get("readyReplicas", 0))
    updated = int(status.get("updatedReplicas", 0))
    surplus = int(status.get("replicas", 0)) - updated
    return min(ready, updated) if surplus == 0 else min(ready, updated, int(live["spec"]["replicas"]) - 1)


def _is_observed(live: Object) -> bool:
    """Whether the status tells of the object as it is now."""
    return bool(live.get("status", {}).get("observedGeneration", 0) >= live["metadata"]["generation"])


def _troubles(kube: Kube, live: Object) -> list[str]:
    """What each pod that is not ready waits for."""
    selector = ",".join(f"{key}={value}" for key, value in live["spec"]["selector"]["matchLabels"].items())
    pods = kube.list("v1", "Pod", live["metadata"]["namespace"], selector)
    return [trouble for pod in pods if (trouble := _trouble(pod))]


def _trouble(pod: Object) -> str | None:
    status = pod.get("status", {})
    name = pod["metadata"]["name"]
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            return f"{name}: not scheduled: {condition.get('message', '')}"
    for container in status.get("containerStatuses", []):
        if waiting := container["state"].get("waiting"):
            return f"{name}: {waiting.get('reason')}: {waiting.get('message', '')}"
        if ended := container["state"].get("terminated"):
            return f"{name}: ended with exit code {ended.get('exitCode')}: {ended.get('reason', '')}"
        if not container["ready"]:
            return f"{name}: runs but is not ready; see `kubectl logs {name}`"
    return None
