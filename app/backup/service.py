"""Backup as a whole: what it does by itself, and what it is asked for."""

import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import BinaryIO

from backup import taking, vault
from backup.epochs import EpochsError
from backup.errors import BadSnapshotError, SnapshotError, UnknownSnapshotError
from backup.follower import ReplayError
from backup.jobs import Jobs, Report
from backup.live import Live, LiveReader
from backup.log import MOST_BEHIND, Log
from backup.log_file import Complete, LogError
from backup.manifest import Manifest, Proof, by_age
from backup.metrics import Metrics, Work
from backup.prover import Prover
from backup.scratch import ScratchError
from backup.settings import Settings
from backup.vault import Vault
from backup.views import ChainView, JobView, LiveView, LogView, Overview, RestoreFileView, SnapshotView
from etcd.client import EtcdClient
from etcd.errors import EtcdRefusedError, EtcdUnavailableError
from etcd.keys import UnreadableKeyError

_log = logging.getLogger(__name__)

_NOT_LOADED = "the volume for snapshots can't be read yet"

# Seconds.
WORK_INTERVAL = 1.0
RETENTION_INTERVAL = 60.0

# So many snapshots may wait to be proven: a volume has room for so many, and nobody needs more.
MOST_PENDING = 10

# After which what a quorum said is too old to be told as what is.
_LIVE_FOR = 3.0

_FAILURES = (
    OSError,
    EpochsError,
    ScratchError,
    ReplayError,
    SnapshotError,
    BadSnapshotError,
    LogError,
    EtcdUnavailableError,
    EtcdRefusedError,
    UnreadableKeyError,
)


class Backup:
    """What `views.Core` says, and the threads that work without being asked."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._vault = Vault(settings.snapshots)
        self._etcd = EtcdClient(settings.etcd_endpoints, metrics)
        self._live = LiveReader(self._etcd)
        self._log = Log(settings.snapshots, self._live, settings.etcd_endpoints, metrics, self._log_begins_after)
        self._wanted: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._prover = Prover(
            self._vault, settings.scratch / "etcd", settings.etcd_endpoints, metrics, self._log, self._wanted.put
        )
        self._jobs = Jobs()
        self._taken = settings.scratch / "taken"
        self._uploaded = settings.scratch / "uploaded"
        self._taking = threading.Lock()
        self._uploading = threading.Lock()
        self._loaded = threading.Event()
        self._failing: dict[str, str] = {}  # what does not work, and why
        self._stopping = threading.Event()
        self._show(metrics)
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in {"snapshots": self._take_snapshots, "proofs": self._prove_snapshots}.items()
        ]
        for thread in self._threads:
            thread.start()

    # What it is asked for

    def overview(self) -> Overview:
        """What there is, from memory. Raises SnapshotError before the volume was read for the first time."""
        self._check_loaded()
        live, complete = self._live_now(), self._complete()
        return Overview(
            snapshots=tuple(self._view(manifest) for manifest in self._vault.catalog.manifests()),
            log=LogView(
                complete_to=complete.revision if complete else 0,
                complete_at=complete.time if complete else None,
                lag_seconds=_age(complete.time) if complete else None,
                problem=self._log.problem,
            ),
            live=LiveView(live.epoch, live.cluster, live.count, live.revision)
            if live and live.count is not None
            else None,
            passed_over=self._passed_over(),
            epoch=self._vault.newest_epoch(),
            chain=self._chain(),
        )

    def take(self, reason: str) -> SnapshotView:
        """Take a snapshot and save it. It is proven later. Raises SnapshotError."""
        self._check_loaded()
        try:
            with self._taking:
                manifest = self._take(reason)
        except _FAILURES as error:
            self._metrics.snapshot_ended(reason, "failed")
            self._note_failure("snapshot", error)
            raise SnapshotError(str(error)) from error
        self._metrics.snapshot_ended(reason, "saved")
        self._note_success("snapshot")
        self._log.change_files()
        _log.info("snapshot %s (%s): revision %d, count %d", manifest.name, reason, manifest.newest, manifest.count)
        return self._view(manifest)

    def begin_restore_file(self, snapshot: str, after_epoch: int = 0) -> str:
        """Begin to make a restore file. Returns the job's ID. Raises UnknownSnapshotError and SnapshotError."""
        self._check_loaded()
        if snapshot != "latest" and self._vault.catalog.find(snapshot) is None:
            names = ", ".join(manifest.name for manifest in self._vault.catalog.manifests()) or "none"
            raise UnknownSnapshotError(f"there is no snapshot {snapshot!r}; there are: {names}")
        return self._jobs.begin(lambda report: self._make_restore_file(snapshot, after_epoch, report))

    def restore_job(self, job: str) -> JobView | None:
        return self._jobs.view(job)

    def open_file(self, name: str) -> tuple[BinaryIO, int, str] | None:
        """The bytes of a file, their number and their hash. Raises OSError."""
        manifest = self._vault.catalog.find(name)
        if manifest is None:
            return None
        return self._vault.catalog.path(manifest).open("rb"), manifest.size, manifest.sha256

    def upload(self, stream: BinaryIO, length: int) -> SnapshotView:
        """Save a snapshot from elsewhere, once it is known to restore. Raises BadSnapshotError and OSError."""
        with self._uploading:
            try:
                vault.copy(stream, self._uploaded, length)
                taken = self._prover.try_upload(self._uploaded)
                tried = Proof("proven", "it restores", datetime.now(UTC))
                return self._view(self._vault.save(self._uploaded, taken, "upload", tried))
            except (BadSnapshotError, OSError):
                self._metrics.failed("upload")
                raise
            finally:
                self._uploaded.unlink(missing_ok=True)

    def close(self) -> None:
        """End all that goes on. What is not saved yet will be taken anew."""
        self._stopping.set()
        self._log.close()
        for thread in self._threads:
            thread.join(WORK_INTERVAL)
        self._etcd.close()
        self._prover.close()

    # What it does by itself

    def _take_snapshots(self) -> None:
        """On schedule, and when one is wanted. First of all, read what the volume has."""
        while not self._tried("volume", self._vault.load):
            if self._stopping.wait(WORK_INTERVAL):
                return
        self._loaded.set()
        self._log.start()
        due = time.monotonic() + self._settings.snapshot_interval
        while not self._stopping.is_set():
            reason = self._next_wanted()
            if reason is None and time.monotonic() >= due and not self._vault.pending():
                reason = "schedule"
            if reason is None:
                continue
            with suppress(SnapshotError):  # the log says so; what is due stays due
                self.take(reason)
                due = time.monotonic() + self._settings.snapshot_interval
                continue
            self._wanted.put(reason)
            self._stopping.wait(WORK_INTERVAL)

    def _next_wanted(self) -> str | None:
        """Why a snapshot is wanted: once, however often."""
        try:
            reason = self._wanted.get(timeout=WORK_INTERVAL)
            while not self._wanted.empty():
                self._wanted.get_nowait()
        except queue.Empty:
            return None
        return reason

    def _prove_snapshots(self) -> None:
        self._loaded.wait()
        next_look = 0.0
        while not self._stopping.wait(WORK_INTERVAL):
            self._tried("proof", self._prover.prove_pending)
            self._tried("chain", self._prover.follow)
            if time.monotonic() >= next_look:
                self._tried("retention", self._keep_order)
                next_look = time.monotonic() + RETENTION_INTERVAL

    def _keep_order(self) -> None:
        self._vault.look_through()
        base, writer = self._prover.base, self._log.writer
        self._vault.remove_what_nobody_needs(
            [*([base.name] if base else []), *([writer.path.name] if writer else [])],
        )

    def _take(self, reason: str) -> Manifest:
        pending = len(self._vault.pending())
        if pending >= MOST_PENDING:
            raise SnapshotError(f"{pending} snapshots wait to be proven: no more are taken until some are")
        try:
            taken = taking.take(self._settings.etcd_endpoints, self._taken)
            live = LiveReader(self._etcd).read()
            if live.cluster != taken.cluster:
                raise SnapshotError(
                    f"a member gave one of cluster {taken.cluster:016x}, but a quorum is of cluster {live.cluster:016x}"
                )
            self._vault.note(live)
            return self._vault.save(self._taken, taken, reason, Proof())
        finally:
            self._taken.unlink(missing_ok=True)

    def _log_begins_after(self, live: Live, anew: bool) -> int:
        """Where a new file of the log begins. If that is not where the volume's log ends, a snapshot must follow."""
        is_new = self._vault.note(live)
        logged = None if anew else self._vault.logged_to(live.cluster)
        if logged is not None and logged > live.revision:  # by now the cluster is as far, or the log is none of its
            live = LiveReader(self._etcd).read()
        goes_on = logged is not None and 0 <= live.revision - logged <= MOST_BEHIND
        if is_new or not goes_on:
            self._wanted.put("epoch" if is_new else "log")
        return logged if goes_on and logged is not None else live.revision

    def _make_restore_file(self, snapshot: str, after_epoch: int, report: Report) -> RestoreFileView:
        live = self._live_now()
        try:
            file = self._prover.make_restore_file(snapshot, max(after_epoch, live.epoch if live else 0), report)
        except Exception:
            self._metrics.restore_file_ended("failed")
            raise
        self._metrics.restore_file_ended("made")
        _log.info("restore file %s: epoch %d, count %d, sha256 %s", file.name, file.epoch, file.count, file.sha256)
        return RestoreFileView(
            name=file.name,
            sha256=file.sha256,
            size=file.size,
            epoch=file.epoch,
            bump=file.bump,
            count=file.count,
            revision=file.revision,
            source=file.source,
            live_count=live.count if live else None,
        )

    def _tried(self, what: Work, work: Callable[[], None]) -> bool:
        """Whether it worked. It is tried again later if not."""
        try:
            work()
        except _FAILURES as error:
            if not self._stopping.is_set():
                self._metrics.failed(what)
                self._note_failure(what, error)
            return False
        self._note_success(what)
        return True

    def _note_failure(self, what: Work, error: Exception) -> None:
        """Have the log tell once of what fails for long."""
        level = logging.DEBUG if what in self._failing else logging.WARNING
        self._failing[what] = str(error) or type(error).__name__
        _log.log(level, "%s: %s", what, self._failing[what])

    def _note_success(self, what: Work) -> None:
        if self._failing.pop(what, None) is not None:
            _log.info("%s: it works again", what)

    def _check_loaded(self) -> None:
        if not self._loaded.is_set():
            reason = self._failing.get("volume")
            raise SnapshotError(f"{_NOT_LOADED}: {reason}" if reason else _NOT_LOADED)

    # What it shows

    def _live_now(self) -> Live | None:
        live = self._live.latest
        return live if live and _age(live.asked) <= _LIVE_FOR else None

    def _complete(self) -> Complete | None:
        """The newest of what the log has written, and of what was read from the volume."""
        known = [line for line in (self._log.complete, self._prover.complete) if line is not None]
        return max(known, key=lambda line: line.time, default=None)

    def _chain(self) -> ChainView | None:
        """The newest that can be restored, as far as memory knows."""
        proven = [manifest for manifest in self._vault.catalog.manifests() if manifest.proven and manifest.lived]
        newest = max(proven, key=by_age, default=None)
        if newest is None:
            return None
        base = self._prover.base
        lines = [
            self._log.complete_of(newest.cluster),
            self._prover.complete if base is not None and base.cluster == newest.cluster else None,
        ]
        line = max((line for line in lines if line is not None), key=lambda line: line.revision, default=None)
        if line is None:
            return ChainView(newest.epoch, newest.newest, None)
        return ChainView(newest.epoch, max(newest.newest, line.revision), _age(line.time))

    def _passed_over(self) -> tuple[str, ...]:
        broken = self._prover.broken
        found = (*self._vault.catalog.passed_over, *self._vault.passed_over, *([broken] if broken else []))
        return tuple(dict.fromkeys(found))

    def _view(self, manifest: Manifest) -> SnapshotView:
        return SnapshotView(
            name=manifest.name,
            time=manifest.time,
            reason=manifest.reason,
            epoch=manifest.epoch,
            cluster=manifest.cluster,
            revision=manifest.newest,
            count=manifest.count,
            size=manifest.size,
            sha256=manifest.sha256,
            proven=_in_words(manifest.proof),
            log=self._log_after(manifest),
        )

    def _log_after(self, manifest: Manifest) -> str:
        base, complete = self._prover.base, self._prover.complete
        if base is None or base.name != manifest.name or complete is None:
            return ""
        count = "?" if complete.count is None else complete.count
        return f"complete to {complete.revision} at {complete.time:%Y-%m-%dT%H:%M:%S.%f}Z ({count})"

    def _show(self, metrics: Metrics) -> None:
        def newest() -> Manifest | None:
            proven = [manifest for manifest in self._vault.catalog.manifests() if manifest.proven and manifest.lived]
            return max(proven, key=lambda manifest: manifest.time, default=None)

        metrics.show(
            snapshot_age=lambda: _age(found.time) if (found := newest()) else math.nan,
            snapshot_bytes=lambda: found.size if (found := newest()) else math.nan,
            log_lag=lambda: _age(found.time) if (found := self._complete()) else math.nan,
            log_bytes=lambda: self._vault.log_bytes,
            passed_over=lambda: len(self._passed_over()),
        )


def _in_words(proof: Proof) -> str:
    match proof.state:
        case "proven":
            return "yes"
        case "pending":
            return "pending"
    return f"failed: {proof.detail}"


def _age(time: datetime) -> float:
    return (datetime.now(UTC) - time).total_seconds()
