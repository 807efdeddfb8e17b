"""A core that has what a test gives it, and waits for what a test tells it to wait for."""

import io
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import BinaryIO

from backup.errors import BadSnapshotError, SnapshotError, UnknownSnapshotError
from backup.views import JobView, LiveView, LogView, Overview, RestoreFileView, SnapshotView

TIME = datetime(2026, 3, 4, 5, 6, 7, 890000, tzinfo=UTC)

CONTENT = b"a restore file" * 100_000

SNAPSHOT = SnapshotView(
    name="snapshot-1",
    time=TIME,
    reason="schedule",
    epoch=1,
    cluster=0x0ABC,
    revision=17,
    count=16,
    size=20480,
    sha256="ab" * 32,
    proven="yes",
    log="complete to 20 at 2026-03-04T05:06:08.000Z (19)",
)
RESTORE_FILE = RestoreFileView(
    name="restore-1",
    sha256=sha256(CONTENT).hexdigest(),
    size=len(CONTENT),
    epoch=2,
    bump=1_000_000_000,
    count=19,
    revision=21,
    source="snapshot-1",
    live_count=23,
)


class BrokenFile(io.BytesIO):
    """Has one part, and then the volume fails."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 0:
            raise OSError(5, "Input/output error")
        return super().read(size)


@dataclass
class FakeCore:
    """See backup.views.Core.

    Attributes:
        snapshots: What it has.
        failure: What it raises when it is asked to do something.
        proofs: What is to be seen of the proof of a snapshot that was taken, one after the other; the last one stays.
        jobs: How far a restore file is, likewise.
        files: What can be read, by name or sha256.
        hang: Whether whoever uses the volume waits until `go_on` is set.
    """

    snapshots: list[SnapshotView] = field(default_factory=lambda: [SNAPSHOT])
    failure: Exception | None = None
    proofs: list[str] = field(default_factory=lambda: ["pending", "yes"])
    jobs: list[JobView] = field(default_factory=lambda: [JobView("job-1", "done", "done", file=RESTORE_FILE)])
    files: dict[str, BinaryIO] = field(default_factory=dict)
    live: LiveView | None = field(default_factory=lambda: LiveView(1, 0x0ABC, 23, 24))
    log: LogView = field(default_factory=lambda: LogView(20, TIME, 0.4))
    passed_over: tuple[str, ...] = ()
    hang: bool = False
    go_on: threading.Event = field(default_factory=threading.Event)
    taken: list[str] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)
    after_epochs: list[int] = field(default_factory=list)
    uploaded: bytes = b""

    def overview(self) -> Overview:
        if self.taken:
            proven = self.proofs.pop(0) if len(self.proofs) > 1 else self.proofs[0]
            self.snapshots[-1] = replace(self.snapshots[-1], proven=proven)
        return Overview(tuple(self.snapshots), self.log, self.live, self.passed_over)

    def take(self, reason: str) -> SnapshotView:
        self._use_volume()
        if self.failure is not None:
            raise SnapshotError(str(self.failure))
        self.taken.append(reason)
        number = len(self.snapshots) + 1
        self.snapshots.append(replace(SNAPSHOT, name=f"snapshot-{number}", reason=reason, proven="pending"))
        return self.snapshots[-1]

    def begin_restore_file(self, snapshot: str, after_epoch: int = 0) -> str:
        self._use_volume()
        self.asked_for.append(snapshot)
        self.after_epochs.append(after_epoch)
        if snapshot not in ("latest", *(one.name for one in self.snapshots)):
            raise UnknownSnapshotError(f"There is no snapshot {snapshot!r}.")
        return "job-1"

    def restore_job(self, job: str) -> JobView | None:
        if job != "job-1":
            return None
        return self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0]

    def open_file(self, name: str) -> tuple[BinaryIO, int, str] | None:
        self._use_volume()
        if self.failure is not None:
            raise self.failure
        if name in self.files:
            size = self.files[name].seek(0, io.SEEK_END)
            self.files[name].seek(0)
            return self.files[name], size, RESTORE_FILE.sha256
        if name in (RESTORE_FILE.name, RESTORE_FILE.sha256):
            return io.BytesIO(CONTENT), len(CONTENT), RESTORE_FILE.sha256
        return None

    def upload(self, stream: BinaryIO, length: int) -> SnapshotView:
        self._use_volume()
        self.uploaded = stream.read(length)
        if not self.uploaded.startswith(b"snapshot"):
            raise BadSnapshotError("The file is no snapshot of etcd: it has no hash at its end.")
        return replace(SNAPSHOT, name="snapshot-uploaded", reason="upload", size=length)

    def close(self) -> None:
        self.go_on.set()

    def _use_volume(self) -> None:
        if self.hang:
            self.go_on.wait(30)
