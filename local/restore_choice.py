"""What a restore starts from, and what it costs: found out before anything is asked or done."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from local.backup_answers import Overview
from local.backup_service import BackupService, NoAnswerError
from local.cluster_record import EMPTY, ClusterRecord, Restore
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


def prepare(choice: Choice, service: BackupService, record: ClusterRecord, console: Console) -> Restore:
    """Have ready what the choice starts from. Raises LocalError if that can't be had."""
    if choice.empty:
        known = overview_if_any(service)
        newest = max(record.epoch, known.epoch if known else record.epoch)
        return Restore(str(choice), "nothing", EMPTY, newest + 1, None, 0)
    steps = Steps([*([UPLOAD] if choice.file else []), MAKE], console)
    if choice.file is None:
        require_listed(choice.snapshot, service.overview())
    with steps.shown():
        snapshot = choice.snapshot
        if choice.file is not None:
            with steps.step(UPLOAD) as report:
                snapshot = service.upload(choice.file, report).name
        with steps.step(MAKE) as report:
            made = service.make_restore_file(snapshot, report, record.epoch)
    return Restore(str(choice), made.source, made.sha256, made.epoch, made.bump, made.count)


def overview_if_any(service: BackupService) -> Overview | None:
    try:
        return service.overview()
    except NoAnswerError:
        return None


def consequence(wanted: Restore, now: Overview | None, epoch: int) -> str:
    """What a restore does to the count, in sentences; `epoch` is the one that the record has."""
    running = now.live.epoch if now and now.live else epoch
    back = f"The count goes back to {wanted.count} ({wanted.source})"
    what = "Etcd begins with nothing" if wanted.file == EMPTY else back
    return f"{what}, as epoch {wanted.epoch} after {running}. {_loss(wanted, now)}"


def _loss(wanted: Restore, now: Overview | None) -> str:
    count = now.last_count if now else None
    if now is None or count is None:
        return "What the count is now is not known, nor how much will be lost."
    lost = max(0, count - (wanted.count or 0))
    if now.live is None:
        told = f"The cluster does not answer; the last count that the log has is {count}"
        return f"{told}: {lost} increments will be lost, and what was counted after that."
    return f"The count is {count} now: {lost} increments will be lost, and what is counted until the members stop."
