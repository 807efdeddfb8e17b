"""How a restore is carried out: it is asked for in the record, and the controller does it, while somebody waits."""

import time

from rich.console import Console

from local import cluster_record, members, rollout
from local.backup_service import BackupService, NoAnswerError
from local.cluster_record import ClusterRecord, Request
from local.errors import LocalError
from local.kube import Kube, Object
from local.members import WithdrawnError
from local.restore_choice import Wanted
from local.steps import Report, Steps

DECIDE = "members held, and a new epoch begun"
START = "members started from it"
COUNTERS = "counters ready"
CHECK = "count checked"

CHECK_TIMEOUT = 60.0
POLL_INTERVAL = 0.3


def carry_out(kube: Kube, namespace: str, wanted: Wanted, console: Console) -> str:
    """Have all members start from what is wanted, and return in words what the cluster is then.

    Raises LocalError. The restore goes on all the same, which the error says.
    """
    steps = Steps([DECIDE, START, COUNTERS, CHECK], console)
    with steps.shown():
        if cluster_record.read(kube, namespace).request != wanted.request:
            cluster_record.ask(kube, namespace, wanted.request)
        record = _wait_for_decision(kube, namespace, wanted.request, steps)
        try:
            return _wait_for_epoch(kube, namespace, record, wanted, steps)
        except LocalError as error:
            raise LocalError(f"{error}\nEpoch {record.epoch} has begun: `make up` waits for its members") from error


def _wait_for_decision(kube: Kube, namespace: str, request: Request, steps: Steps) -> ClusterRecord:
    try:
        with steps.step(DECIDE) as report:
            return members.wait_until_done(kube, namespace, request, report)
    except WithdrawnError:
        raise
    except LocalError as error:
        raise LocalError(
            f"{error}\nThe restore is under way all the same: `make restore` waits for it again"
        ) from error


def _wait_for_epoch(kube: Kube, namespace: str, record: ClusterRecord, wanted: Wanted, steps: Steps) -> str:
    with steps.step(START) as report:
        members.wait_until_whole(kube, namespace, record.size, report)
    with steps.step(COUNTERS) as report:
        rollout.wait(kube, _counters(namespace), report)
    with steps.step(CHECK) as report:
        return _check(BackupService(kube, namespace), record, wanted, report)


def _counters(namespace: str) -> Object:
    name = "counter-deployment"
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": namespace, "name": name}}


def _check(service: BackupService, record: ClusterRecord, wanted: Wanted, report: Report) -> str:
    """What the cluster is now, in words. Raises LocalError if it is not what was wanted."""
    deadline = time.monotonic() + CHECK_TIMEOUT
    at_least = wanted.count or 0
    while True:
        try:
            live = service.overview().live
            told = "the cluster does not answer" if live is None else f"epoch {live.epoch}, count {live.count}"
        except NoAnswerError as error:
            if wanted.count is None or wanted.request.wish == cluster_record.EMPTY:
                return f"epoch {record.epoch}; the count could not be checked: {error}"
            live, told = None, str(error)
        if live is not None and live.epoch == record.epoch and live.count >= at_least:
            return told
        if time.monotonic() > deadline:
            raise LocalError(f"there should be epoch {record.epoch} with a count of {at_least} or more, but: {told}")
        report(told)
        time.sleep(POLL_INTERVAL)


def going_on_with(request: Request) -> Wanted:
    """What was asked for before, whatever its count was to be."""
    return Wanted(request, str(request), None)
