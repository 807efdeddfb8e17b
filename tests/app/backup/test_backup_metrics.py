import math

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from backup.metrics import REASONS, Metrics, ProofOutcome, RestoreFileOutcome, SnapshotOutcome, Work


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """What Prometheus reads of one series. None if there is no such series."""
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            if (sample.name, sample.labels) == (name, labels):
                return float(sample.value)
    return None


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("outcome", ["saved", "failed"])
def test_snapshots_are_told_apart_by_reason_and_outcome(
    metrics: Metrics, reason: str, outcome: SnapshotOutcome
) -> None:
    assert value(metrics, "backup_snapshots_total", reason=reason, outcome=outcome) == 0, "there before the first one"
    metrics.snapshot_ended(reason, outcome)
    assert value(metrics, "backup_snapshots_total", reason=reason, outcome=outcome) == 1


@pytest.mark.parametrize("outcome", ["proven", "failed", "inconclusive"])
def test_proofs_are_told_apart_by_outcome(metrics: Metrics, outcome: ProofOutcome) -> None:
    assert value(metrics, "backup_proofs_total", outcome=outcome) == 0
    metrics.proof_ended(outcome)
    assert value(metrics, "backup_proofs_total", outcome=outcome) == 1


@pytest.mark.parametrize("outcome", ["made", "failed"])
def test_restore_files_are_told_apart_by_outcome(metrics: Metrics, outcome: RestoreFileOutcome) -> None:
    assert value(metrics, "backup_restore_files_total", outcome=outcome) == 0
    metrics.restore_file_ended(outcome)
    assert value(metrics, "backup_restore_files_total", outcome=outcome) == 1


@pytest.mark.parametrize("what", ["snapshot", "log", "proof", "chain", "restore_file", "upload", "retention", "volume"])
def test_failures_are_told_apart_by_what_failed(metrics: Metrics, what: Work) -> None:
    assert value(metrics, "backup_failures_total", what=what) == 0
    metrics.failed(what)
    assert value(metrics, "backup_failures_total", what=what) == 1


def test_etcd(metrics: Metrics) -> None:
    metrics.etcd_call_failed("unavailable")
    metrics.etcd_failed_over()
    assert value(metrics, "backup_etcd_failures_total", reason="unavailable") == 1
    assert value(metrics, "backup_etcd_failovers_total") == 1


@pytest.mark.parametrize("name", ["snapshot_age_seconds", "snapshot_bytes", "log_lag_seconds"])
def test_what_is_not_known_yet_is_no_number(metrics: Metrics, name: str) -> None:
    now = value(metrics, f"backup_{name}")
    assert now is not None
    assert math.isnan(now)


def test_what_changes_by_itself_is_asked_for_each_time(metrics: Metrics) -> None:
    passed = [1.0]
    metrics.show(
        snapshot_age=lambda: passed[0],
        snapshot_bytes=lambda: 20480,
        log_lag=lambda: passed[0] / 10,
        log_bytes=lambda: 4096,
        passed_over=lambda: 2,
    )
    assert value(metrics, "backup_snapshot_age_seconds") == 1
    passed[0] = 7.0
    assert value(metrics, "backup_snapshot_age_seconds") == 7
    assert value(metrics, "backup_log_lag_seconds") == pytest.approx(0.7)
    assert value(metrics, "backup_snapshot_bytes") == 20480
    assert value(metrics, "backup_log_bytes") == 4096
    assert value(metrics, "backup_passed_over") == 2


def test_the_process_is_there(metrics: Metrics) -> None:
    assert value(metrics, "process_resident_memory_bytes")


def test_every_metric_is_described_and_named_as_prometheus_wants_it(metrics: Metrics) -> None:
    families = list(text_string_to_metric_families(generate_latest(metrics.registry).decode()))
    assert [family.name for family in families if not family.documentation] == []
    assert {family.name.partition("_")[0] for family in families} == {"backup", "process"}
    assert not any(family.name.endswith("_created") for family in families)
