"""The loss of what etcd's members have, and what clients were told before it."""

import contextlib
from collections.abc import Sequence

from chaos import processes
from chaos.history import Answer
from chaos.system import System
from local.errors import LocalError

MEMBERS = ("etcd-0", "etcd-1", "etcd-2")


def lose_volumes(system: System, *members: str) -> None:
    """Kill members with -9 and delete their volumes: nobody gets to say goodbye."""
    pods = [pod for pod in system.pods("etcd") if pod["metadata"]["name"] in members]
    system.kubectl("delete", "pvc", *(f"data-{member}" for member in members), "--wait=false")
    system.kubectl("delete", "pod", *members, "--grace-period=0", "--force", "--wait=false")
    for pod in pods:
        with contextlib.suppress(LocalError):  # it has ended already
            processes.kill(system, pod)


def last_told(answers: Sequence[Answer]) -> int:
    """The largest value that a client was told."""
    return max(answer.value for answer in answers if answer.value is not None)


def seconds_lost(answers: Sequence[Answer], count: int) -> float:
    """For how long before the last answer clients were told values that a count does not have any more."""
    told = [answer for answer in answers if answer.value is not None]
    lost = [answer.at for answer in told if answer.value is not None and answer.value > count]
    return max(answer.at for answer in told) - min(lost) if lost else 0.0
