"""Control groups, by which every process of a cluster is found again, accounted for and ended.

A process can leave its parent, its session and its terminal, but not its control group: what runs below the
cluster's group is the cluster's, and nothing else is. Works on the hierarchies of cgroup v1 and on the one of v2
(https://docs.kernel.org/admin-guide/cgroup-v1/, https://docs.kernel.org/admin-guide/cgroup-v2.html).
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from local.errors import LocalError

KILL_TIMEOUT = 20.0


def hierarchies() -> list[Path]:
    """Where control groups are mounted: a folder for each v1 controller, the root of v2, or both."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    return [Path(where) for where, kind in mounts if kind in ("cgroup", "cgroup2")]


def create(group: str) -> None:
    """Make the group in every hierarchy, fit to take processes and, below it, containers."""
    for root in hierarchies():
        folder = root
        for part in Path(group).parts:
            folder = folder / part
            folder.mkdir(exist_ok=True)
            _inherit_cpuset(folder)


def _inherit_cpuset(folder: Path) -> None:
    """A v1 cpuset is born empty, and nothing can run in it until it names processors and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = folder / name
        if file.exists() and not file.read_text().strip():
            file.write_text((folder.parent / name).read_text())


def entry_files(group: str) -> list[Path]:
    """The files into which a process writes its ID to enter the group."""
    return [root / group / "cgroup.procs" for root in hierarchies()]


def processes(group: str) -> set[int]:
    """The IDs of all processes in the group and below it."""
    return {pid for root in hierarchies() for folder in _tree(root / group) for pid in _pids(folder)}


def memory(group: str) -> int:
    """Bytes of memory that the processes of the group hold for themselves (their proportional share: PSS)."""
    return sum(_pss(pid) for pid in processes(group))


def kill(group: str) -> None:
    """End every process in the group, also those that are born meanwhile. Raises LocalError if some won't die."""
    deadline = time.monotonic() + KILL_TIMEOUT
    while pids := processes(group):
        if time.monotonic() > deadline:
            raise LocalError(f"control group {group}: processes {sorted(pids)} do not end")
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.05)


def terminate(group: str, seconds: float) -> None:
    """Ask every process in the group to leave, and wait for it at most so long."""
    for pid in processes(group):
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while processes(group) and time.monotonic() < deadline:
        time.sleep(0.05)


def remove(group: str) -> None:
    """Remove the empty group, what lies below it, and its parents that are empty then."""
    for root in hierarchies():
        for folder in sorted(_tree(root / group), reverse=True):
            folder.rmdir()
        for part in Path(group).parents:
            folder = root / part
            if folder != root and folder.is_dir() and not any(child.is_dir() for child in folder.iterdir()):
                folder.rmdir()


def _tree(folder: Path) -> Iterator[Path]:
    for path, _, _ in os.walk(folder):
        yield Path(path)


def _pids(folder: Path) -> list[int]:
    try:
        # 0 stands for a process that this PID namespace can't see.
        return [pid for line in (folder / "cgroup.procs").read_text().split() if (pid := int(line))]
    except (FileNotFoundError, OSError):  # the group went away while it was read
        return []


def _pss(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
