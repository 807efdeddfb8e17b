"""Whether a workload runs as its object says, and if not, why not."""

import time
from collections.abc import Callable

from local.errors import LocalError
from local.kube import Kube, Object, describe

TIMEOUT = 300.0
POLL_INTERVAL = 0.3


def wait(kube: Kube, item: Object, report: Callable[[str], None]) -> None:
    """Wait until all replicas of a Deployment or StatefulSet are of its newest revision and ready.

    Other kinds are there as soon as they exist. Raises LocalError that says what the pods lack, when the time is over
    or when a Deployment made no progress for as long as it says itself.
    """
    if item["kind"] not in ("Deployment", "StatefulSet"):
        return
    started = time.monotonic()
    fresh = False  # whether what is said of progress is said of this rollout, and not of one that failed before it
    while True:
        live = kube.get(item)
        if live is None:
            raise LocalError(f"{describe(item)}: somebody deleted it while it was rolled out")
        wanted, ready = live["spec"]["replicas"], _up_to_date_and_ready(live)
        if ready == wanted and _is_observed(live):
            return
        stuck = _is_stuck(live)
        fresh = fresh or not stuck
        passed = time.monotonic() - started
        patience = min(TIMEOUT, live["spec"]["progressDeadlineSeconds"]) if stuck else TIMEOUT
        if (stuck and fresh) or passed > patience:
            troubles = "; ".join(_troubles(kube, live)) or "no pod says why"
            raise LocalError(f"{describe(item)}: {ready} of {wanted} pods ready after {passed:.0f} s: {troubles}")
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


def _is_stuck(live: Object) -> bool:
    """Whether the Deployment's controller waits for progress no longer. A StatefulSet's never says so."""
    return _condition(live, "Progressing").get("reason") == "ProgressDeadlineExceeded"


def _condition(item: Object, kind: str) -> Object:
    conditions: list[Object] = item.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), {})


def _troubles(kube: Kube, live: Object) -> list[str]:
    """Why pods can't be made, and what each pod that is not ready waits for."""
    refused = _condition(live, "ReplicaFailure")
    return [*([f"pods can't be made: {refused.get('message', '')}"] if refused else []), *_pods_troubles(kube, live)]


def _pods_troubles(kube: Kube, live: Object) -> list[str]:
    selector = ",".join(f"{key}={value}" for key, value in live["spec"]["selector"]["matchLabels"].items())
    pods = kube.list("v1", "Pod", live["metadata"]["namespace"], selector)
    return [trouble for pod in pods if (trouble := _trouble(pod))]


def _trouble(pod: Object) -> str | None:
    status = pod.get("status", {})
    name = pod["metadata"]["name"]
    scheduled = _condition(pod, "PodScheduled")
    if scheduled and scheduled["status"] != "True":
        return f"{name}: not scheduled: {scheduled.get('message', '')}"
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        if container["ready"]:
            continue
        if waiting := container["state"].get("waiting"):
            return f"{name}: {waiting.get('reason')}: {waiting.get('message', '')}"
        if ended := container["state"].get("terminated"):
            return f"{name}: ended with exit code {ended.get('exitCode')}: {ended.get('reason', '')}"
        return f"{name}: runs but is not ready; see `kubectl logs {name}`"
    return None
