"""`make snapshot`, `snapshots`, `export` and `restore`: what people do with backup's snapshots."""

import argparse
import contextlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local import cluster, cluster_record, export, restore, restore_choice, stack_config, target
from local.backup_answers import Overview, Snapshot
from local.backup_service import BackupService
from local.confirmation import make_sure
from local.errors import LocalError, exit_code
from local.kube import Kube
from local.layout import find
from local.restore_choice import LATEST, MAKE, Choice
from local.stack_config import StackConfig
from local.steps import Steps

SAVE = "snapshot saved"
PROVE = "snapshot proven"
DOWNLOAD = "file copied"

# What is told of a snapshot, to people and to programs.
HEADINGS = {
    **{field: field for field in ("name", "time", "reason", "revision", "count", "size", "proven")},
    "log": "log after it",
}
NUMBERS = ("revision", "count", "size")

WIDE = 250  # columns, where no terminal says how many there are: a name that is cut short can't be used


@dataclass(frozen=True)
class Deployment:
    """One deployment, and what can be asked of it."""

    config: StackConfig
    kube: Kube
    backup: BackupService

    @property
    def namespace(self) -> str:
        return self.config["namespace"]


def take(deployment: Deployment, console: Console, progress: Console) -> None:
    """Take a snapshot, wait until it is proven, and print it."""
    steps = Steps([SAVE, PROVE], progress)
    with steps.shown():
        with steps.step(SAVE):
            taken = deployment.backup.take("request")
        with steps.step(PROVE) as report:
            report(taken.name)
            proven = deployment.backup.wait_until_proven(taken)
    console.print(_table([proven]))


def show(deployment: Deployment, console: Console, form: str) -> None:
    """Print what snapshots there are, how far the log goes, and what was passed over."""
    overview = deployment.backup.overview()
    if form == "json":
        rows = [{field: getattr(snapshot, field) for field in HEADINGS} for snapshot in overview.snapshots]
        print(json.dumps({"snapshots": rows}))
        return
    console.print(_table(overview.snapshots))
    for line in [_log_line(overview), *(f"passed over {text}" for text in overview.passed_over)]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def save(deployment: Deployment, arguments: argparse.Namespace, console: Console, progress: Console) -> None:
    """Have a proven restore file made, and copy it to this machine."""
    if arguments.file is None:
        raise LocalError("say where to put it: FILE=...")
    export.check(arguments.file, overwrite=arguments.yes)
    restore_choice.require_listed(arguments.snapshot, deployment.backup.overview())
    steps = Steps([MAKE, DOWNLOAD], progress)
    with steps.shown():
        with steps.step(MAKE) as report:
            made = deployment.backup.make_restore_file(arguments.snapshot, report)
        with steps.step(DOWNLOAD) as report:
            export.save(deployment.backup.download(made.name), made, arguments.file, report)
    console.print(
        f"{arguments.file}: {made.size} bytes, count {made.count}, made from {made.source}\nsha256 {made.sha256}\n"
        f"To go back to it: make restore FILE={arguments.file}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def go_back(deployment: Deployment, choice: Choice, yes: bool, console: Console, progress: Console) -> None:
    """Restore what is chosen, or wait for the restore that is under way."""
    restore_choice.check(choice)
    under_way = cluster_record.read(deployment.kube, deployment.namespace).open_request
    if under_way is not None and under_way.wish == cluster_record.REPLACE:
        raise LocalError(f"{under_way} was asked for, and is not done: `make {under_way}` waits for it")
    if under_way is not None and str(choice) in ("", str(under_way)):
        text = f"the restore of {under_way} was asked for already; waiting for it"
        progress.print(text, markup=False, highlight=False, soft_wrap=True)
        wanted = restore.going_on_with(under_way)
    elif not str(choice):
        raise LocalError("say what to restore: SNAPSHOT=latest, SNAPSHOT=NAME, FILE=... or EMPTY=yes")
    else:
        wanted = restore_choice.prepare(choice, deployment.backup, progress)
        now = restore_choice.overview_if_any(deployment.backup)
        make_sure(restore_choice.consequence(wanted, now), yes, otherwise="nothing was changed")
    outcome = restore.carry_out(deployment.kube, deployment.namespace, wanted, progress)
    console.print(f"restored: {outcome}", markup=False, highlight=False, soft_wrap=True)


def _table(snapshots: list[Snapshot]) -> Table:
    table = Table(box=None)
    for field, heading in HEADINGS.items():
        table.add_column(heading, overflow="fold", justify="right" if field in NUMBERS else "left")
    for snapshot in snapshots:
        numbers = (str(snapshot.revision), str(snapshot.count), f"{snapshot.size / (1 << 20):.1f} MiB")
        table.add_row(snapshot.name, snapshot.time, snapshot.reason, *numbers, escape(snapshot.proven), snapshot.log)
    return table


def _log_line(overview: Overview) -> str:
    log = overview.log
    told = f"log: complete to {log.complete_to} at {log.complete_at}" if log.complete_at else "log: none yet"
    lag = f", {log.lag_seconds:.1f} s ago" if log.lag_seconds is not None else ""
    return f"{told}{lag}{f'; {log.problem}' if log.problem else ''}"


def main() -> int:
    arguments = _parser().parse_args()
    return exit_code(lambda: _run(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.snapshots", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    helps = {
        "take": "take a snapshot, and wait until it is proven",
        "list": "show the snapshots, how far the log goes, and what was passed over",
        "export": "copy a proven restore file to this machine",
        "restore": "have etcd start from a snapshot; says what will be lost, and asks",
    }
    parsers = {name: commands.add_parser(name, help=text, description=text) for name, text in helps.items()}
    for command in parsers.values():
        target.add_arguments(command)
    parsers["list"].add_argument(
        "--format", choices=["table", "json"], default="table", help="default: %(default)s; json is for programs"
    )
    saving, restoring = parsers["export"], parsers["restore"]
    saving.add_argument("--file", type=Path, help="where to put it")
    saving.add_argument("--snapshot", default=LATEST, metavar="NAME", help="made of this one (default: %(default)s)")
    saving.add_argument("--yes", action="store_true", help="overwrite a file that is there")
    restoring.add_argument(
        "--snapshot",
        default="",
        metavar="NAME",
        help=f"this one, as it is; {LATEST}: the newest proven and the log after it",
    )
    restoring.add_argument("--file", type=Path, help="this file of your own, such as `export` makes")
    restoring.add_argument("--empty", action="store_true", help="begin with nothing")
    restoring.add_argument("--yes", action="store_true", help="don't ask")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    progress = Console(stderr=True)
    console = Console() if sys.stdout.isatty() else Console(width=WIDE)
    deployment = _deployment(arguments)
    if arguments.command == "take":
        take(deployment, console, progress)
    elif arguments.command == "list":
        show(deployment, console, arguments.format)
    elif arguments.command == "export":
        save(deployment, arguments, console, progress)
    else:
        choice = Choice(arguments.snapshot, arguments.file, arguments.empty)
        # One command at a time changes a deployment.
        with contextlib.nullcontext() if arguments.context else cluster.reserved(arguments.cluster, progress):
            go_back(deployment, choice, arguments.yes, console, progress)
    return 0


def _deployment(arguments: argparse.Namespace) -> Deployment:
    where = target.target_of(arguments, find(arguments.cluster))
    config = stack_config.load(arguments.stack, where.overrides)
    kube = Kube(where.context, where.kubeconfig)
    return Deployment(config, kube, BackupService(kube, config["namespace"]))


if __name__ == "__main__":
    sys.exit(main())
