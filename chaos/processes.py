"""The processes of pods, killed and stopped from this machine: a pod that crashes, a pod that hangs."""

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.system import Pod, System
from local import cgroups
from local.errors import LocalError


def kill(system: System, pod: Pod) -> None:
    """End a pod's processes as a crash would. Raises LocalError if it has none."""
    _signal(of_pod(system, pod), signal.SIGKILL)


@contextmanager
def stopped(system: System, *pods: Pod) -> Iterator[None]:
    """Pods that hang while the block runs: their processes are there, and do nothing. Raises LocalError likewise."""
    processes = [process for pod in pods for process in of_pod(system, pod)]
    try:
        _signal(processes, signal.SIGSTOP)
        yield
    finally:
        _signal(processes, signal.SIGCONT)


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.kill(process, number)


def of_pod(system: System, pod: Pod) -> list[int]:
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
    if not found:
        raise LocalError(f"pod {pod['metadata']['name']} has no processes")
    return found
