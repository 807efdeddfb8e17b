"""The snapshot that is taken before a deployment is deleted. What keeps it from being taken is told, and no more."""

import time

from rich.console import Console

from local.backup_answers import PROVEN, Overview
from local.backup_service import BackupService
from local.errors import LocalError
from local.kube import Kube
from local.remains import stateful_set

LOOK_TIMEOUT = 4.0
SAVE_AND_PROVE_TIMEOUT = 60.0
# Where etcd does not answer, nothing is likely to come, and somebody waits for `make down`.
DOUBTFUL_TIMEOUT = 8.0
USUAL_LAG = 5.0


def take(kube: Kube, namespace: str, console: Console) -> None:
    """Take a snapshot of the deployment in the namespace, if there is one, and wait until it is proven."""
    if kube.get(stateful_set(namespace)) is None:
        return
    deadline = time.monotonic() + SAVE_AND_PROVE_TIMEOUT
    service = BackupService(kube, namespace)
    before: Overview | None = None
    try:
        before = service.overview(LOOK_TIMEOUT)
        taken = service.take("down", SAVE_AND_PROVE_TIMEOUT if _is_well(before) else DOUBTFUL_TIMEOUT)
        proven = service.wait_until_proven(taken, max(0.0, deadline - time.monotonic()))
    except LocalError as error:
        _tell(f"warning: there is no proven snapshot of how it is now: {error}", console, style="yellow")
        if before is not None:
            _tell(f"  {_last_proven(before)}", console)
        return
    _tell(f"snapshot {proven.name} is saved and proven: count {proven.count}", console)


def _is_well(before: Overview) -> bool:
    """Whether etcd answered a moment ago."""
    lag = before.log.lag_seconds
    return before.live is not None and lag is not None and lag <= USUAL_LAG


def _last_proven(before: Overview) -> str:
    proven = [snapshot for snapshot in before.snapshots if snapshot.proven == PROVEN]
    if not proven:
        return "There is none from before, either."
    return f"The last one from before is {proven[-1].name} of {proven[-1].time}: count {proven[-1].last_count}."


def _tell(text: str, console: Console, style: str | None = None) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True, style=style)
