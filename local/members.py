"""The members of etcd, waited for: the controller decides, and says meanwhile what it does or what is missing."""

import time

from local import cluster_record, controller_service
from local.cluster_record import ClusterRecord, Request
from local.errors import LocalError
from local.kube import Kube
from local.remains import stateful_set
from local.steps import Report

TIMEOUT = 300.0
POLL_INTERVAL = 0.3


class WithdrawnError(LocalError):
    """What was asked for is not asked for any more."""


def wait_until_done(kube: Kube, namespace: str, request: Request, report: Report) -> ClusterRecord:
    """Wait until what was asked for is done. Raises WithdrawnError, and LocalError if it takes too long."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        record = cluster_record.read(kube, namespace)
        if record.request != request:
            raise WithdrawnError(f"{request} was withdrawn, or something else was asked for: {record.request}")
        if record.is_done:
            return record
        _go_on(kube, namespace, deadline, report)


def wait_until_whole(kube: Kube, namespace: str, members: int, report: Report) -> None:
    """Wait until all members that are wanted vote, and there are no others. Raises LocalError that says why not."""
    deadline = time.monotonic() + TIMEOUT
    while not _is_whole(kube, namespace, members):
        _go_on(kube, namespace, deadline, report)


def _is_whole(kube: Kube, namespace: str, members: int) -> bool:
    record = cluster_record.read(kube, namespace)
    if record.is_changing or record.voters != tuple(range(members)):
        return False
    live = kube.get(stateful_set(namespace))
    return live is not None and live.get("status", {}).get("readyReplicas", 0) == members == live["spec"]["replicas"]


def _go_on(kube: Kube, namespace: str, deadline: float, report: Report) -> None:
    says = controller_service.says(kube, namespace)
    if time.monotonic() > deadline:
        raise LocalError(f"not done within {TIMEOUT:.0f} s; the controller says: {says}")
    report(says)
    time.sleep(POLL_INTERVAL)
