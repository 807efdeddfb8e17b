"""How a restore is carried out in the cluster, in steps that can be repeated.

The members must be gone before the record changes, and the record must be changed before any member starts: else an old
one would be among restored ones.
"""

import time

from rich.console import Console

from local import cluster_record, etcd_epoch, rollout
from local.backup_service import BackupService, NoAnswerError
from local.cluster_record import EMPTY, FIELD_MANAGER, ClusterRecord, Restore
from local.errors import LocalError
from local.kube import Kube, Object, describe
from local.remains import stateful_set
from local.steps import Report, Steps

STOP = "members stopped"
RECORD = "record written"
START = "members started from it"
COUNTERS = "counters ready"
CHECK = "count checked"

STOP_TIMEOUT = 240.0  # a member may take a minute, and a node that hangs three more
CHECK_TIMEOUT = 60.0
POLL_INTERVAL = 0.3


def carry_out(
    kube: Kube, namespace: str, members: int, record: ClusterRecord, wanted: Restore, console: Console
) -> str:
    """Have all members start from what is wanted, and return in words what the cluster is then.

    `members` is how many there are once it is done: those that run now may have been stopped by a run that was cut off.
    Raises LocalError. Once the record is written the same command goes on from there, and the error says so.
    """
    _require_members(kube, namespace, members)
    steps = Steps([STOP, RECORD, START, COUNTERS, CHECK], console)
    with steps.shown():
        with steps.step(STOP) as report:
            _stop(kube, namespace, report)
        with steps.step(RECORD) as report:
            cluster_record.begin(kube, namespace, record, wanted)
            _stop(kube, namespace, report)  # whom somebody else started meanwhile
        try:
            return _start_and_check(kube, namespace, members, wanted, steps)
        except LocalError as error:
            raise LocalError(
                f"{error}\nThe restore is under way all the same: `make restore` goes on with it"
            ) from error


def _start_and_check(kube: Kube, namespace: str, members: int, wanted: Restore, steps: Steps) -> str:
    with steps.step(START) as report:
        _scale(kube, namespace, members)
        rollout.wait(kube, stateful_set(namespace), report)
        if wanted.file == EMPTY:
            etcd_epoch.put(kube, namespace, wanted.epoch)
    with steps.step(COUNTERS) as report:
        rollout.wait(kube, _counters(namespace), report)
    with steps.step(CHECK) as report:
        outcome = _check(BackupService(kube, namespace), wanted, report)
    cluster_record.finish(kube, namespace)
    return outcome


def _require_members(kube: Kube, namespace: str, members: int) -> None:
    """Raises LocalError if there are none, or if another number of them is known to be right."""
    live = kube.get(stateful_set(namespace))
    if live is None:
        raise LocalError(f"there is no {describe(stateful_set(namespace))}; `make up` makes it")
    if live["spec"]["replicas"] not in (0, members):
        raise LocalError(
            f"{describe(live)} has {live['spec']['replicas']} replicas, and the stack's etcdMembers is {members}: "
            "`make up` sets it right, or STACK=... names the right stack"
        )


def _stop(kube: Kube, namespace: str, report: Report) -> None:
    """Stop all members, and wait until none is left."""
    deadline = time.monotonic() + STOP_TIMEOUT
    _scale(kube, namespace, 0)
    while left := _pods(kube, namespace):
        if time.monotonic() > deadline:
            raise LocalError(
                f"{', '.join(left)}: still there {STOP_TIMEOUT:.0f} s after they were to stop. If a node is gone for "
                "good, `kubectl delete pod --force` what ran there"
            )
        report(f"{len(left)} to go")
        time.sleep(POLL_INTERVAL)


def _pods(kube: Kube, namespace: str) -> list[str]:
    live = kube.get(stateful_set(namespace))
    labels = live["spec"]["selector"]["matchLabels"] if live else {}
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    return [pod["metadata"]["name"] for pod in kube.list("v1", "Pod", namespace, selector)]


def _scale(kube: Kube, namespace: str, replicas: int) -> None:
    kube.patch(stateful_set(namespace), {"spec": {"replicas": replicas}}, FIELD_MANAGER)


def _counters(namespace: str) -> Object:
    name = "counter-deployment"
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": namespace, "name": name}}


def _check(service: BackupService, wanted: Restore, report: Report) -> str:
    """What the cluster is now, in words. Raises LocalError if it is not what was wanted."""
    deadline = time.monotonic() + CHECK_TIMEOUT
    at_least = wanted.count or 0
    while True:
        try:
            live = service.overview().live
            told = "the cluster does not answer" if live is None else f"epoch {live.epoch}, count {live.count}"
        except NoAnswerError as error:
            if wanted.file == EMPTY:
                return f"epoch {wanted.epoch}; the count could not be checked: {error}"
            live, told = None, str(error)
        if live is not None and live.epoch == wanted.epoch and live.count >= at_least:
            return told
        if time.monotonic() > deadline:
            raise LocalError(f"there should be epoch {wanted.epoch} with a count of {at_least} or more, but: {told}")
        report(told)
        time.sleep(POLL_INTERVAL)
