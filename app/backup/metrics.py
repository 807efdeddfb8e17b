"""What backup counts of itself, for Prometheus."""

import math
from collections.abc import Callable
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, disable_created_metrics

from etcd.events import EtcdEvents

REASONS = ("schedule", "request", "down", "stop", "epoch", "log", "restore", "upload")

SnapshotOutcome = Literal["saved", "failed"]
_SNAPSHOT_OUTCOMES: tuple[SnapshotOutcome, ...] = ("saved", "failed")

# A proof without a verdict, because etcd compacted meanwhile, say, is made again, or of a newer snapshot.
ProofOutcome = Literal["proven", "failed", "inconclusive"]
_PROOF_OUTCOMES: tuple[ProofOutcome, ...] = ("proven", "failed", "inconclusive")

RestoreFileOutcome = Literal["made", "failed"]
_RESTORE_FILE_OUTCOMES: tuple[RestoreFileOutcome, ...] = ("made", "failed")

Work = Literal["snapshot", "log", "proof", "chain", "restore_file", "upload", "retention", "volume"]
_WORK: tuple[Work, ...] = ("snapshot", "log", "proof", "chain", "restore_file", "upload", "retention", "volume")


class Metrics(EtcdEvents):
    """The metrics of backup. Safe for use by many threads."""

    def __init__(self) -> None:
        # A second series for each one: nobody asks when a counter was made.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        self._snapshot_age = Gauge(
            "backup_snapshot_age_seconds", "Age of the newest proven snapshot; NaN without one.", registry=registry
        )
        self._snapshot_bytes = Gauge(
            "backup_snapshot_bytes", "Size of the newest proven snapshot; NaN without one.", registry=registry
        )
        self._log_lag = Gauge(
            "backup_log_lag_seconds",
            "How long ago the log was last known to be complete; NaN before it first was.",
            registry=registry,
        )
        self._log_bytes = Gauge("backup_log_bytes", "Size of all files of the log.", registry=registry)
        self._passed_over = Gauge(
            "backup_passed_over", "Files on the volume that are of no use; the log says why.", registry=registry
        )
        # Nothing is known yet. A 0 would say that all is well.
        for gauge in (self._snapshot_age, self._snapshot_bytes, self._log_lag):
            gauge.set(math.nan)

        self._snapshots = Counter(
            "backup_snapshots", "Attempts to take and save a snapshot.", ["reason", "outcome"], registry=registry
        )
        self._proofs = Counter(
            "backup_proofs", "Snapshots that were tried by restoring them.", ["outcome"], registry=registry
        )
        self._restore_files = Counter(
            "backup_restore_files", "Restore files that somebody asked for.", ["outcome"], registry=registry
        )
        self._failures = Counter("backup_failures", "Work that failed, by its kind.", ["what"], registry=registry)
        self._etcd_failures = Counter(
            "backup_etcd_failures", "Calls that etcd refused or did not answer.", ["reason"], registry=registry
        )
        self._etcd_failovers = Counter(
            "backup_etcd_failovers", "Times that another member of etcd answered than before.", registry=registry
        )
        self._begin_series()

    def show(
        self,
        *,
        snapshot_age: Callable[[], float],
        snapshot_bytes: Callable[[], float],
        log_lag: Callable[[], float],
        log_bytes: Callable[[], float],
        passed_over: Callable[[], float],
    ) -> None:
        """Ask these whenever the metrics are read. They must not wait for anything; NaN is what is not known."""
        self._snapshot_age.set_function(snapshot_age)
        self._snapshot_bytes.set_function(snapshot_bytes)
        self._log_lag.set_function(log_lag)
        self._log_bytes.set_function(log_bytes)
        self._passed_over.set_function(passed_over)

    def snapshot_ended(self, reason: str, outcome: SnapshotOutcome) -> None:
        """An attempt to take a snapshot has ended. `reason` is one of REASONS."""
        self._snapshots.labels(reason, outcome).inc()

    def proof_ended(self, outcome: ProofOutcome) -> None:
        self._proofs.labels(outcome).inc()

    def restore_file_ended(self, outcome: RestoreFileOutcome) -> None:
        self._restore_files.labels(outcome).inc()

    def failed(self, what: Work) -> None:
        """Some work failed, and the log says why."""
        self._failures.labels(what).inc()

    def etcd_call_failed(self, reason: str) -> None:
        self._etcd_failures.labels(reason).inc()

    def etcd_failed_over(self) -> None:
        self._etcd_failovers.inc()

    def _begin_series(self) -> None:
        """Have all series begin at 0: Prometheus can't tell how much one rose that begins at 1."""
        for reason in REASONS:
            for outcome in _SNAPSHOT_OUTCOMES:
                self._snapshots.labels(reason, outcome)
        for proof_outcome in _PROOF_OUTCOMES:
            self._proofs.labels(proof_outcome)
        for restore_file_outcome in _RESTORE_FILE_OUTCOMES:
            self._restore_files.labels(restore_file_outcome)
        for what in _WORK:
            self._failures.labels(what)
