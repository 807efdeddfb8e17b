"""The machine and the version that were measured: without them the numbers mean nothing."""

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local.stack_config import PROJECT_FOLDER

# Of the processors: above it what else runs takes part in the measurement.
QUIET = 0.25


@dataclass(frozen=True)
class Machine:
    """Where and when, and how many processes wanted a processor during the minute before."""

    when: str
    commit: str
    processor: str
    processors: int
    memory_gib: float
    kernel: str
    load_average: float

    @property
    def is_quiet(self) -> bool:
        """Whether little else runs."""
        return self.load_average <= QUIET * self.processors


def here_and_now() -> Machine:
    """This machine, before the measurement."""
    return Machine(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=_commit(),
        processor=_field("/proc/cpuinfo", "model name"),
        processors=os.cpu_count() or 1,
        memory_gib=round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
        kernel=platform.release(),
        load_average=round(os.getloadavg()[0], 1),
    )


def _commit() -> str:
    """What is checked out, with a mark if files differ from that; nothing where there is no git."""
    try:
        command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
        return subprocess.run(command, cwd=PROJECT_FOLDER, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return ""


def _field(file: str, name: str) -> str:
    match = re.search(rf"^{name}\s*:\s*(.+)$", Path(file).read_text(), re.MULTILINE)
    return match.group(1) if match else "0"
