"""Long-running programs of the cluster: started once, detached, each in a control group and with a log of its own."""

import hashlib
import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local import cgroups, files
from local.errors import LocalError
from local.layout import Layout

START_TIMEOUT = 60.0
POLL_INTERVAL = 0.05
RESTART_INTERVAL = 1.0


@dataclass(frozen=True)
class Daemon:
    """A program, its arguments, and how to tell that it serves."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool] = field(default=lambda: True, compare=False)
    environment: Mapping[str, str] = field(default_factory=dict)
    configuration: str = ""  # the text of files that it reads at start: it is started anew when they change
    restarts: bool = False  # whether it is started anew when it ends by itself, as some expect to be


def group(layout: Layout, name: str) -> str:
    return f"{layout.cgroup}/daemons/{name}"


def log_file(layout: Layout, name: str) -> Path:
    return layout.logs / f"{name}.log"


def main_process(layout: Layout, name: str) -> int | None:
    """The ID of the daemon's first process, if it runs."""
    record = _read_record(layout, name)
    pid = int(str(record["pid"])) if record else 0
    return pid if pid in cgroups.processes(group(layout, name)) else None


def recorded(layout: Layout) -> list[str]:
    """Names of the daemons that were started, in the order of their start."""
    records = sorted((layout.run / "daemons").glob("*.json"), key=lambda file: file.stat().st_mtime)
    return [record.stem for record in records]


def ended(layout: Layout) -> list[str]:
    """Names of those that were started and don't run any more."""
    return [name for name in recorded(layout) if main_process(layout, name) is None]


def ensure(layout: Layout, daemon: Daemon) -> None:
    """Start the daemon unless it runs as it should, and wait until it serves.

    Raises LocalError that names the log if it ends or does not serve within a minute.
    """
    if not runs_as(layout, daemon):
        stop(layout, daemon.name)
        pid = _start(layout, daemon)
        _write_record(layout, daemon.name, {"pid": pid, "fingerprint": _fingerprint(daemon)})
    _wait_until_ready(layout, daemon)


def runs_as(layout: Layout, daemon: Daemon) -> bool:
    """Whether the daemon runs, and was started as it is to be now."""
    record = _read_record(layout, daemon.name)
    is_running = main_process(layout, daemon.name) is not None
    return is_running and record is not None and record["fingerprint"] == _fingerprint(daemon)


def stop(layout: Layout, name: str, grace: float = 5.0) -> None:
    """End the daemon and all that it started."""
    cgroups.terminate(group(layout, name), grace)
    cgroups.kill(group(layout, name))


def _start(layout: Layout, daemon: Daemon) -> int:
    cgroups.create(group(layout, daemon.name))
    layout.logs.mkdir(parents=True, exist_ok=True)
    entries = " ".join(f"'{file}'" for file in cgroups.entry_files(group(layout, daemon.name)))
    # The shell enters the groups before it becomes the program, so that no child is ever born outside of them.
    enter = f'for entry in {entries}; do echo $$ > "$entry" || exit 1; done; '
    run = f'while true; do "$@"; echo "ended with exit code $?"; sleep {RESTART_INTERVAL}; done'
    script = enter + (run if daemon.restarts else 'exec "$@"')
    with log_file(layout, daemon.name).open("ab") as log:
        process = subprocess.Popen(
            ["sh", "-c", script, "sh", *daemon.command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **daemon.environment},
            cwd="/",
        )
    return process.pid


def _wait_until_ready(layout: Layout, daemon: Daemon) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    started = time.monotonic()
    while not daemon.ready():
        # A process that was just started may not have entered its group yet.
        if time.monotonic() > started + 1 and main_process(layout, daemon.name) is None:
            raise LocalError(f"{daemon.name} ended while it started; its log: {log_file(layout, daemon.name)}")
        if time.monotonic() > deadline:
            raise LocalError(
                f"{daemon.name} does not serve after {START_TIMEOUT:.0f} s; its log: {log_file(layout, daemon.name)}"
            )
        time.sleep(POLL_INTERVAL)


def _fingerprint(daemon: Daemon) -> str:
    what = json.dumps([daemon.command, dict(daemon.environment), daemon.configuration])
    return hashlib.sha256(what.encode()).hexdigest()


def _record_file(layout: Layout, name: str) -> Path:
    return layout.run / "daemons" / f"{name}.json"


def _read_record(layout: Layout, name: str) -> dict[str, object] | None:
    try:
        record: dict[str, object] = json.loads(_record_file(layout, name).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return record


def _write_record(layout: Layout, name: str, record: dict[str, object]) -> None:
    files.write(_record_file(layout, name), json.dumps(record))
