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
        if _is_rolled_out(live):
            return
        wanted, ready = live["spec"]["replicas"], _up_to_date_and_ready(live)
        stuck = _is_stuck(live)
        fresh = fresh or not stuck
        passed = time.monotonic() - started
        patience = min(TIMEOUT, live["spec"]["progressDeadlineSeconds"]) if stuck else TIMEOUT
        if (stuck and fresh) or passed > patience:
            troubles = "; ".join(_troubles(kube, live)) or "no pod says why"
            raise LocalError(f"{describe(item)}: {ready} of {wanted} pods ready after {passed:.0f} s: {troubles}")
        report(f"{ready} of {wanted} pods ready")
        time.sleep(POLL_INTERVAL)


def _is_rolled_out(live: Object) -> bool:
    status, wanted = live.get("status", {}), live["spec"]["replicas"]
    counts = (status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas"))
    return _is_observed(live) and all(count == wanted for count in counts)


def _up_to_date_and_ready(live: Object) -> int:
    """At least how many pods of the newest revision are ready.

    The status tells how many are ready, not which. All older ones are taken for ready, for they mostly are; otherwise
    a new pod that never gets ready would be told as one that is.
    """
    if not _is_observed(live):
        return 0
    status = live["status"]
    older = int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))
    return max(0, int(status.get("readyReplicas", 0)) - older)


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
    return [trouble for pod in pods if (trouble := _trouble(kube, pod))]


def _trouble(kube: Kube, pod: Object) -> str | None:
    status = pod.get("status", {})
    name = pod["metadata"]["name"]
    scheduled = _condition(pod, "PodScheduled")
    if scheduled and scheduled["status"] != "True":
        return f"{name}: not scheduled: {scheduled.get('message', '')}"
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        if container["ready"]:
            continue
        if waiting := container["state"].get("waiting"):
            return f"{name}: {waiting.get('reason')}: {waiting.get('message') or _last_warning(kube, pod)}"
        if ended := container["state"].get("terminated"):
            return f"{name}: ended with exit code {ended.get('exitCode')}: {ended.get('reason', '')}"
        return f"{name}: runs but is not ready; see `kubectl logs {name}`"
    return None


def _last_warning(kube: Kube, pod: Object) -> str:
    """What a container waits for that says nothing itself, as while its volumes are mounted: only events tell that."""
    metadata = pod["metadata"]
    warnings = [
        event
        for event in kube.list("v1", "Event", metadata["namespace"])
        if event["type"] == "Warning"
        and (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == ("Pod", metadata["name"])
    ]
    last = max(warnings, key=lambda event: event.get("lastTimestamp") or "", default={})
    return str(last.get("message", ""))
