"""Faults, put into the running system from this machine: processes of its pods are killed and stopped."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local import cgroups
from tests.e2e.system import System

Pod = dict[str, Any]


def leader(system: System) -> Pod:
    """The pod of the member that leads etcd now."""
    return next(pod for pod in system.pods("etcd") if _leads(system, pod["metadata"]["name"]))


def follower(system: System) -> Pod:
    return next(pod for pod in system.pods("etcd") if not _leads(system, pod["metadata"]["name"]))


def kill(system: System, pod: Pod) -> None:
    """End a pod's processes as a crash would."""
    for process in _processes(system, pod):
        os.kill(process, signal.SIGKILL)


@contextmanager
def stopped(system: System, pod: Pod) -> Iterator[None]:
    """A pod that hangs: its processes are there, and do nothing."""
    processes = _processes(system, pod)
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            try:
                os.kill(process, signal.SIGCONT)
            except ProcessLookupError:
                continue


def _processes(system: System, pod: Pod) -> list[int]:
    """The processes of a pod's containers, but for the one that holds its namespaces."""
    found = []
    for process in cgroups.processes(system.layout.cgroup):
        folder = Path("/proc", str(process))
        try:
            is_of_pod = pod["metadata"]["uid"] in (folder / "cgroup").read_text()
            is_pause = "pause" in (folder / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if is_of_pod and not is_pause:
            found.append(process)
    assert found, f"{pod['metadata']['name']} has no processes"
    return found


def _leads(system: System, name: str) -> bool:
    status = system.kubectl("exec", name, "--", "etcdctl", "endpoint", "status", "--write-out=json")
    [member] = json.loads(status)
    return bool(member["Status"]["leader"] == member["Status"]["header"]["member_id"])
