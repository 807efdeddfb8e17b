"""What a restore starts from, and what it costs: found out before anything is asked or done."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from local import cluster_record
from local.backup_answers import Overview
from local.backup_service import BackupService, NoAnswerError
from local.cluster_record import Request, new_request
from local.errors import LocalError
from local.steps import Steps

UPLOAD = "file sent to backup, and proven"
MAKE = "restore file made, and proven"
LATEST = "latest"


@dataclass(frozen=True)
class Choice:
    """What the user named, of which one thing is to be named."""

    snapshot: str
    file: Path | None
    empty: bool

    def __str__(self) -> str:
        if self.file is not None:
            return f"FILE={self.file}"
        return "EMPTY=yes" if self.empty else f"SNAPSHOT={self.snapshot}" if self.snapshot else ""


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        request: As the controller is asked for it.
        source: What the new epoch begins with, in words.
        count: At least what it begins with; None if nobody knows.
    """

    request: Request
    source: str
    count: int | None


def check(choice: Choice) -> None:
    """Raises LocalError for more than one thing, and for a file that can't be read."""
    if [bool(choice.snapshot), choice.file is not None, choice.empty].count(True) > 1:
        raise LocalError("of SNAPSHOT=..., FILE=... and EMPTY=yes only one can be restored")
    if choice.file is not None and not choice.file.is_file():
        raise LocalError(f"FILE={choice.file}: {'it is not a file' if choice.file.exists() else 'no such file'}")


def require_listed(snapshot: str, overview: Overview) -> None:
    """Raises LocalError that names the snapshots that there are, if this is none of them."""
    names = [item.name for item in overview.snapshots]
    if not names:
        raise LocalError("there are no snapshots yet; `make snapshot` takes one")
    if snapshot != LATEST and snapshot not in names:
        raise LocalError(f"SNAPSHOT={snapshot}: no such snapshot; there are {LATEST}, {', '.join(names)}")


def prepare(choice: Choice, service: BackupService, console: Console) -> Wanted:
    """Have ready what the choice starts from. Raises LocalError if that can't be had."""
    if choice.empty:
        return Wanted(new_request(cluster_record.EMPTY), "nothing", 0)
    if choice.file is not None:
        steps = Steps([UPLOAD], console)
        with steps.shown(), steps.step(UPLOAD) as report:
            uploaded = service.upload(choice.file, report)
        request = new_request(cluster_record.SNAPSHOT, uploaded.name)
        return Wanted(request, f"{choice.file}, now {uploaded.name}", uploaded.count)
    if choice.snapshot == LATEST:
        # It may be a member that has it: backup need not be there.
        return Wanted(new_request(cluster_record.CONTINUE), "the newest that backup and members have", None)
    overview = service.overview()
    require_listed(choice.snapshot, overview)
    found = overview.find(choice.snapshot)
    return Wanted(
        new_request(cluster_record.SNAPSHOT, choice.snapshot), choice.snapshot, found.count if found else None
    )


def overview_if_any(service: BackupService) -> Overview | None:
    try:
        return service.overview()
    except NoAnswerError:
        return None


def consequence(wanted: Wanted, now: Overview | None) -> str:
    """What a restore does to the count, in sentences."""
    match wanted.request.wish:
        case cluster_record.CONTINUE:
            return f"A new epoch of etcd begins with {wanted.source}. {_loss_at_most(now)}"
        case cluster_record.EMPTY:
            return f"A new epoch of etcd begins with nothing. {_loss(wanted, now)}"
    return f"The count goes back to {wanted.count} ({wanted.source}), in a new epoch of etcd. {_loss(wanted, now)}"


def _loss_at_most(now: Overview | None) -> str:
    count = now.last_count if now else None
    if now is None or count is None:
        return "What the count is now is not known."
    if now.live is not None:
        return f"The count is {count} now, and stays, but for what the members don't agree on when they stop."
    return f"The cluster does not answer; the last count that the log has is {count}, and members may have more."


def _loss(wanted: Wanted, now: Overview | None) -> str:
    count = now.last_count if now else None
    if now is None or count is None:
        return "What the count is now is not known, nor how much will be lost."
    lost = max(0, count - (wanted.count or 0))
    if now.live is None:
        told = f"The cluster does not answer; the last count that the log has is {count}"
        return f"{told}: {lost} increments will be lost, and what was counted after that."
    return f"The count is {count} now: {lost} increments will be lost, and what is counted until the members stop."
