"""What people can do in backup's pod: `python -m backup COMMAND`.

Everything is asked of the process that serves there. Messages go to stderr; stdout is for what a command is about.
"""

import argparse
import json
import secrets
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from backup.client import Client, RequestError
from backup.views import Json

# What is told of a snapshot, in a table and to programs.
_FIELDS = ("name", "time", "reason", "revision", "count", "size", "proven", "log")
_TITLES = {"log": "log after it"}
_NUMBERS = ("revision", "count", "size")

_LATEST = "latest"

_POLL_INTERVAL = 0.5  # seconds
_TOLD_EVERY = 10.0  # seconds


@dataclass(frozen=True)
class Surroundings:
    """What the commands need beside their arguments.

    Attributes:
        client: Asks the process that serves.
        stdin: Where an upload comes from.
        stdout: Where an export goes to.
        sleep: Waits so many seconds.
    """

    client: Client
    stdin: BinaryIO
    stdout: BinaryIO
    sleep: Callable[[float], None] = time.sleep


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Have a parser know the commands. What it parsed is then for `run`."""
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")

    snapshot = _add(commands, "snapshot", _snapshot, "take a snapshot, and wait until it is proven")
    snapshot.add_argument("--no-wait", action="store_true", help="only until it is saved")

    snapshots = _add(commands, "snapshots", _snapshots, "list the snapshots, and how far the log goes on from them")
    snapshots.add_argument("--format", choices=("table", "json"), default="table", help="(default: table)")

    export = _add(commands, "export", _export, "write a restore file to stdout")
    _add_snapshot(export)

    restore_file = _add(
        commands, "restore-file", _restore_file, "make a restore file, and say how the cluster is restored from it"
    )
    _add_snapshot(restore_file)

    _add(commands, "upload", _upload, "add the snapshot or restore file that comes from stdin, once it is proven")


def run(arguments: argparse.Namespace, surroundings: Surroundings) -> int:
    """Do what was parsed. Returns the exit code: 0 after success, else 1."""
    try:
        arguments.run(arguments, surroundings)
    except RequestError as error:
        _tell(str(error))
        return 1
    return 0


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    call: Callable[[argparse.Namespace, Surroundings], None],
    summary: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(run=call)
    return parser


def _add_snapshot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "snapshot",
        metavar="SNAPSHOT",
        help="a snapshot's name: as it is; or latest: the newest proven one and the log after it",
    )


def _snapshot(arguments: argparse.Namespace, surroundings: Surroundings) -> None:
    snapshot = surroundings.client.take()
    _tell(f"{snapshot['name']} is saved: revision {snapshot['revision']}, count {snapshot['count']}")
    if not arguments.no_wait:
        snapshot = _wait_until_proven(snapshot["name"], surroundings)
    print(_table([snapshot]))


def _snapshots(arguments: argparse.Namespace, surroundings: Surroundings) -> None:
    overview = surroundings.client.overview()
    rows = [{field: snapshot[field] for field in _FIELDS} for snapshot in overview["snapshots"]]
    if arguments.format == "json":
        print(json.dumps({"snapshots": rows}))
        return
    print(_table(rows))
    print()
    print(_log_line(overview["log"]))
    for sentence in overview["passed_over"]:
        print(f"passed over {sentence}")


def _export(arguments: argparse.Namespace, surroundings: Surroundings) -> None:
    if surroundings.stdout.isatty():
        raise RequestError("The file would go to a terminal. Send it to one: ... export latest > FILE")
    file = _make_restore_file(arguments.snapshot, surroundings)
    surroundings.client.download(file["sha256"], surroundings.stdout)
    surroundings.stdout.flush()
    _tell(f"{file['name']}: {_bytes(file['size'])}, count {file['count']}, sha256 {file['sha256']}")


def _restore_file(arguments: argparse.Namespace, surroundings: Surroundings) -> None:
    file = _make_restore_file(arguments.snapshot, surroundings)
    for field in ("name", "source", "sha256", "epoch", "bump", "revision", "count"):
        print(f"{field:<9} {file[field]}")
    print(f"{'live':<9} {_live(file['live_count'])}")
    print()
    print(
        "Increments after that are lost when the cluster is restored, unless a member has them and latest is asked for."
    )
    print("The controller does it; it is asked to, and says how far it is, where kubectl's namespace is this pod's:")
    print()
    print(f"  {_request(arguments.snapshot)}")
    print("  kubectl logs deployment/etcd-controller --follow")


def _upload(_arguments: argparse.Namespace, surroundings: Surroundings) -> None:
    if surroundings.stdin.isatty():
        raise RequestError("The file would come from a terminal. Send one: ... upload < FILE")
    print(_table([surroundings.client.upload(surroundings.stdin)]))


def _wait_until_proven(name: str, surroundings: Surroundings) -> Json:
    """Return the snapshot once it is proven. Raises RequestError if it won't be."""
    progress = _Progress()
    while True:
        snapshots: Sequence[Json] = surroundings.client.overview()["snapshots"]
        snapshot = next((snapshot for snapshot in snapshots if snapshot["name"] == name), None)
        if snapshot is None:
            raise RequestError(f"{name} is gone. `snapshots` says more.")
        if snapshot["proven"] == "yes":
            return snapshot
        if snapshot["proven"] != "pending":
            raise RequestError(f"{name} is saved, but not proven: {snapshot['proven']}")
        progress.tell("it is being proven")
        surroundings.sleep(_POLL_INTERVAL)


def _make_restore_file(snapshot: str, surroundings: Surroundings) -> Json:
    """Return the restore file once it is made. Raises RequestError if it can't be."""
    job = surroundings.client.begin_restore_file(snapshot)
    progress = _Progress()
    while True:
        state = surroundings.client.restore_job(job)
        match state["state"]:
            case "done":
                file: Json = state["file"]
                return file
            case "failed":
                raise RequestError(f"No restore file could be made: {state['error']}")
        progress.tell(state["step"], f"{state['done']} of {state['of']}" if state["of"] else "")
        surroundings.sleep(_POLL_INTERVAL)


class _Progress:
    """Says what is being done: each step when it begins, and again when it has gone on for long."""

    def __init__(self) -> None:
        self._step = ""
        self._next = 0.0

    def tell(self, step: str, more: str = "") -> None:
        now = time.monotonic()
        if step != self._step or now >= self._next:
            self._step, self._next = step, now + _TOLD_EVERY
            _tell(f"{step}: {more}" if more else step)


def _request(snapshot: str) -> str:
    """How somebody who has only kubectl asks the controller for a restore: see the record in app/controller."""
    wish = {"wish": "continue"} if snapshot == _LATEST else {"wish": "snapshot", "snapshot": snapshot}
    request = json.dumps({"id": secrets.token_hex(8), **wish})
    patch = shlex.quote(json.dumps({"data": {"request": request}}, separators=(",", ":")))
    return f"kubectl patch configmap etcd-cluster --type=merge --patch={patch}"


def _table(snapshots: Sequence[Mapping[str, Any]]) -> str:
    """Plain columns: numbers to the right, all else to the left."""
    rows = [[_TITLES.get(field, field) for field in _FIELDS]]
    rows += [[_cell(field, snapshot[field]) for field in _FIELDS] for snapshot in snapshots]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.rjust(width) if field in _NUMBERS else cell.ljust(width)
        for field, cell, width in zip(_FIELDS, row, widths, strict=True)
    )
    return "  ".join(cells).rstrip()


def _cell(field: str, value: object) -> str:
    return _bytes(int(str(value))) if field == "size" else str(value)


def _log_line(log: Json) -> str:
    if log["complete_at"] is None:
        line = "log: not known to be complete yet"
    else:
        line = f"log: complete to {log['complete_to']} at {log['complete_at']}, {log['lag_seconds']:.1f} s ago"
    return f"{line}; {log['problem']}" if log["problem"] else line


def _live(count: int | None) -> str:
    return "the cluster does not answer" if count is None else f"count {count}"


def _bytes(number: int) -> str:
    size = float(number)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
