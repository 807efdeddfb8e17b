"""What backup shows of itself to those who ask, as it is at one moment; and all that can be asked of it.

Each view has a `to_json`: what of it stands in an answer. Cluster IDs are written as etcdctl writes them, in hex.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal, Protocol

from etcd.keys import FIRST_EPOCH

JobState = Literal["making", "done", "failed"]

Json = Mapping[str, Any]


@dataclass(frozen=True)
class SnapshotView:
    """One snapshot.

    Attributes:
        name: Its own, and no other's.
        time: When it was taken.
        reason: Why: schedule, request, down, stop, epoch, log, restore or upload.
        epoch: That of the cluster which it is of.
        cluster: That cluster's ID.
        revision: The newest that it has.
        count: The count at that revision.
        size: Bytes.
        sha256: In hex.
        proven: yes; pending; no: it won't be, a newer one is to be; or "failed: " and why.
        log: "complete to REVISION at TIME (COUNT)": what the log goes on with from there; "" without one.
    """

    name: str
    time: datetime
    reason: str
    epoch: int
    cluster: int
    revision: int
    count: int
    size: int
    sha256: str
    proven: str
    log: str

    def to_json(self) -> Json:
        return asdict(self) | {"time": _iso(self.time), "cluster": _hex(self.cluster)}


@dataclass(frozen=True)
class LogView:
    """How far the log is known to be complete.

    Attributes:
        complete_to: The revision up to which it is; 0 before that was first known.
        complete_at: When it was; None likewise.
        lag_seconds: How long ago that is; None likewise.
        problem: What keeps the log from going on; None if nothing does.
    """

    complete_to: int = 0
    complete_at: datetime | None = None
    lag_seconds: float | None = None
    problem: str | None = None

    def to_json(self) -> Json:
        return asdict(self) | {"complete_at": _iso(self.complete_at) if self.complete_at else None}


@dataclass(frozen=True)
class LiveView:
    """The cluster that runs, as a quorum of it last said."""

    epoch: int
    cluster: int
    count: int
    revision: int

    def to_json(self) -> Json:
        return asdict(self) | {"cluster": _hex(self.cluster)}


@dataclass(frozen=True)
class ChainView:
    """The newest that can be restored: a proven snapshot and the log after it.

    Attributes:
        epoch: That of the cluster which it is of.
        revision: Up to which it goes, as far as that is known.
        lag_seconds: How long ago it was known to have all that a quorum had; None: it never was.
    """

    epoch: int
    revision: int
    lag_seconds: float | None

    def to_json(self) -> Json:
        return asdict(self)


@dataclass(frozen=True)
class Overview:
    """All that backup has.

    Attributes:
        snapshots: The oldest first.
        log: The log of the cluster that runs.
        live: None if the cluster does not answer.
        passed_over: A sentence for each file that is of no use: its name, and why.
        epoch: The newest that backup knows of.
        chain: None if there is no proven snapshot.
    """

    snapshots: tuple[SnapshotView, ...]
    log: LogView
    live: LiveView | None
    passed_over: tuple[str, ...]
    epoch: int = FIRST_EPOCH
    chain: ChainView | None = None

    def to_json(self) -> Json:
        return {
            "snapshots": [snapshot.to_json() for snapshot in self.snapshots],
            "log": self.log.to_json(),
            "live": self.live.to_json() if self.live else None,
            "passed_over": list(self.passed_over),
            "epoch": self.epoch,
            "chain": self.chain.to_json() if self.chain else None,
        }


@dataclass(frozen=True)
class RestoreFileView:
    """A file that every member of a new cluster can be restored from.

    Attributes:
        name: Its own, and no other's.
        sha256: In hex.
        size: Bytes.
        epoch: That of the new cluster.
        bump: What the restore adds to the file's revision.
        count: The count that the new cluster begins with.
        revision: The newest that the file has.
        source: The snapshot that it is made from.
        live_count: The count of the cluster that ran meanwhile; None if that did not answer.
    """

    name: str
    sha256: str
    size: int
    epoch: int
    bump: int
    count: int
    revision: int
    source: str
    live_count: int | None

    def to_json(self) -> Json:
        return asdict(self)


@dataclass(frozen=True)
class JobView:
    """The making of a restore file.

    Attributes:
        id: Its own, and no other's.
        state: Whether it goes on.
        step: What is being done, for people.
        done: How much of that step is.
        of: How much there is to do in it; 0 if that is not known.
        error: Why it failed, if it did.
        file: What it made, if it has.
    """

    id: str
    state: JobState
    step: str
    done: int = 0
    of: int = 0
    error: str | None = None
    file: RestoreFileView | None = None

    def to_json(self) -> Json:
        return asdict(self)


class Core(Protocol):
    """What can be asked of backup. Safe for use by many threads."""

    def overview(self) -> Overview:
        """What there is. Waits for neither etcd nor the volume. Raises SnapshotError while nothing is known yet."""

    def take(self, reason: str) -> SnapshotView:
        """Take a snapshot, and return it once it is saved. Raises SnapshotError."""

    def begin_restore_file(self, snapshot: str, after_epoch: int = 0) -> str:
        """Begin to make a restore file of a snapshot, given by name or as "latest". Returns the job's ID.

        Its epoch comes after all that backup knows of, and after `after_epoch`: somebody may know of more.

        Raises UnknownSnapshotError.
        """

    def restore_job(self, job: str) -> JobView | None:
        """How far the job of that ID is; None if there is none."""

    def open_file(self, name: str) -> tuple[BinaryIO, int, str] | None:
        """A snapshot or restore file, given by name or sha256: its bytes, their number, their sha256 in hex.

        None if there is none. Raises OSError if the volume fails.
        """

    def upload(self, stream: BinaryIO, length: int) -> SnapshotView:
        """Save and prove the snapshot that these bytes are. Raises BadSnapshotError, or OSError if the volume fails."""

    def close(self) -> None:
        """End all that goes on, in order."""


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _hex(cluster: int) -> str:
    return f"{cluster:x}"
