"""The loss of all that etcd's members have, and what clients were told before it."""

import contextlib
from collections.abc import Sequence

from chaos import processes
from chaos.history import Answer
from chaos.system import System
from local.errors import LocalError

MEMBERS = ("etcd-0", "etcd-1", "etcd-2")
VOLUMES = tuple(f"data-{member}" for member in MEMBERS)


def lose_all_volumes(system: System) -> None:
    """Kill all members with -9 and delete their volumes: nobody gets to say goodbye."""
    pods = system.pods("etcd")
    system.kubectl("delete", "pvc", *VOLUMES, "--wait=false")
    system.kubectl("delete", "pod", *MEMBERS, "--grace-period=0", "--force", "--wait=false")
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
