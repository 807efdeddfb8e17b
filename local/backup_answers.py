"""What the Service etcd-backup tells: its snapshots, the log after them, the live count, and restore files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from local.errors import LocalError

Json = Mapping[str, Any]

PROVEN = "yes"
PENDING = "pending"

Shape = TypeVar("Shape")


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of etcd. `proven` says whether it is known to restore, `log` how far the log goes on from it."""

    name: str
    time: str
    reason: str
    epoch: int
    cluster: str
    revision: int
    count: int
    size: int
    sha256: str
    proven: str
    log: str

    @property
    def last_count(self) -> int:
        """The count at the end of the log after it, or else its own."""
        told = re.search(r"\((\d+)\)$", self.log)
        return int(told[1]) if told else self.count


@dataclass(frozen=True)
class Log:
    """Up to which revision, and when, the log is known to be complete: 0 and None before that was first known."""

    complete_to: int
    complete_at: str | None
    lag_seconds: float | None
    problem: str | None


@dataclass(frozen=True)
class Live:
    """What etcd itself says."""

    epoch: int
    cluster: str
    count: int
    revision: int


@dataclass(frozen=True)
class Overview:
    """All that is kept, oldest first, and what is on the volume and was passed over; `live` is None without etcd."""

    snapshots: list[Snapshot]
    log: Log
    live: Live | None
    passed_over: list[str]

    @property
    def epoch(self) -> int:
        """The newest epoch that backup knows of."""
        return max([1, *(snapshot.epoch for snapshot in self.snapshots), *([self.live.epoch] if self.live else [])])

    @property
    def last_count(self) -> int | None:
        """The newest count that is known: the live one, or else what the newest snapshot and its log have."""
        if self.live is not None:
            return self.live.count
        own = [snapshot for snapshot in self.snapshots if snapshot.reason != "upload"]
        return own[-1].last_count if own else None

    def find(self, name: str) -> Snapshot | None:
        return next((snapshot for snapshot in self.snapshots if snapshot.name == name), None)


@dataclass(frozen=True)
class RestoreFile:
    """A file that members can start a new epoch from."""

    name: str
    sha256: str
    size: int
    epoch: int
    bump: int
    count: int
    revision: int
    source: str


@dataclass(frozen=True)
class Job:
    """How far the making of a restore file is."""

    state: str
    step: str
    done: int
    of: int
    error: str | None
    file: RestoreFile | None


def overview(answer: Json) -> Overview:
    """Raises LocalError if it is no overview; so do the others for what they read."""
    parts = _picked(Overview, answer)
    return Overview(
        snapshots=[snapshot(item) for item in parts["snapshots"]],
        log=Log(**_picked(Log, parts["log"])),
        live=Live(**_picked(Live, parts["live"])) if parts["live"] is not None else None,
        passed_over=parts["passed_over"],
    )


def snapshot(answer: Json) -> Snapshot:
    return Snapshot(**_picked(Snapshot, answer))


def job(answer: Json) -> Job:
    parts = _picked(Job, answer)
    made = parts["file"]
    return Job(**{**parts, "file": RestoreFile(**_picked(RestoreFile, made)) if made is not None else None})


def _picked(shape: type[Shape], answer: Json) -> dict[str, Any]:
    """The fields of the answer that are wanted; a newer etcd-backup may tell more."""
    names = [field.name for field in fields(shape)]  # type: ignore[arg-type]
    missing = [name for name in names if name not in answer]
    if missing:
        raise LocalError(
            f"etcd-backup answered without {missing}: it is of another version; `make up` deploys this one"
        )
    return {name: answer[name] for name in names}
