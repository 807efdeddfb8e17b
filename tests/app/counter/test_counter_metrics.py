import falcon
import pytest
from falcon.testing import TestClient
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from counter.events import Commit
from counter.metrics import Metrics
from counter.requests import Counted, Fate, Outcome
from service.exposition import Exposition

VERSIONS = {"version": "abc", "python": "3.13"}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(["/static", "/increment"], VERSIONS)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """What Prometheus reads of one series. None if there is no such series."""
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            if (sample.name, sample.labels) == (name, labels):
                return float(sample.value)
    return None


def series(metrics: Metrics, name: str) -> list[dict[str, str]]:
    """The labels of all series of a name."""
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return [sample.labels for family in families for sample in family.samples if sample.name == name]


def test_requests_are_told_apart_by_route_and_code(metrics: Metrics) -> None:
    for path, status in [("/static", "200 OK"), ("/static", "200 OK"), ("/increment", "503 Service Unavailable")]:
        metrics.request_answered(path, status, 0.1)
    assert value(metrics, "counter_http_requests_total", route="/static", code="200") == 2
    assert value(metrics, "counter_http_requests_total", route="/increment", code="503") == 1


def test_paths_that_anybody_makes_up_are_one_series(metrics: Metrics) -> None:
    for number in range(100):
        metrics.request_answered(f"/{number}", "404 Not Found", 0.1)
    assert series(metrics, "counter_http_requests_total") == [{"route": "other", "code": "404"}]
    assert value(metrics, "counter_http_request_duration_seconds_count", route="other") == 100


def test_latencies_are_told_apart_from_half_a_millisecond_to_five_seconds(metrics: Metrics) -> None:
    for seconds in [0.0004, 0.004, 4.0, 6.0]:
        metrics.request_answered("/static", "200 OK", seconds)

    def at_most(bound: str) -> float | None:
        return value(metrics, "counter_http_request_duration_seconds_bucket", route="/static", le=bound)

    assert [at_most(bound) for bound in ["0.0005", "0.005", "5.0", "+Inf"]] == [1, 2, 3, 4]
    assert value(metrics, "counter_http_request_duration_seconds_sum", route="/static") == pytest.approx(10.0044)


@pytest.mark.parametrize(
    ("outcome", "label"),
    [
        (Counted(17), "counted"),
        (Fate.NOT_COUNTED, "not_counted"),
        (Fate.UNKNOWN, "unknown"),
        (Fate.VALUE_LOST, "value_lost"),
    ],
)
def test_increments_are_told_apart_by_outcome(metrics: Metrics, outcome: Outcome, label: str) -> None:
    metrics.increment_answered(outcome)
    assert value(metrics, "counter_increments_total", outcome=label) == 1


@pytest.mark.parametrize("commit", ["applied", "refused", "ambiguous"])
def test_commits_are_told_apart_by_outcome(metrics: Metrics, commit: Commit) -> None:
    assert value(metrics, "counter_commits_total", outcome=commit) == 0, "it is there before the first one"
    metrics.commit_ended(commit)
    assert value(metrics, "counter_commits_total", outcome=commit) == 1


def test_batches(metrics: Metrics) -> None:
    for size in [1, 50, 51]:
        metrics.batch_counted(size)
    assert value(metrics, "counter_batch_increments_bucket", le="50.0") == 2
    assert value(metrics, "counter_batch_increments_sum") == 102


def test_doubts_and_folds(metrics: Metrics) -> None:
    metrics.doubt_arose()
    metrics.doubt_arose()
    metrics.doubt_resolved()
    metrics.shard_folded(100)
    assert value(metrics, "counter_doubts_total") == 2
    assert value(metrics, "counter_doubts_resolved_total") == 1
    assert value(metrics, "counter_folded_shards_total") == 1
    assert value(metrics, "counter_folded_increments_total") == 100


def test_etcd(metrics: Metrics) -> None:
    metrics.etcd_call_failed("unavailable")
    metrics.etcd_failed_over()
    assert value(metrics, "counter_etcd_failures_total", reason="unavailable") == 1
    assert value(metrics, "counter_etcd_failovers_total") == 1


def test_what_changes_by_itself_is_asked_for_each_time(metrics: Metrics) -> None:
    waiting: list[str] = []
    metrics.show(owns_shard=lambda: not waiting, waiting=lambda: len(waiting))
    assert value(metrics, "counter_waiting_increments") == 0
    assert value(metrics, "counter_shard_owned") == 1
    waiting.append("request")
    assert value(metrics, "counter_waiting_increments") == 1
    assert value(metrics, "counter_shard_owned") == 0


def test_the_process_and_what_runs_in_it(metrics: Metrics) -> None:
    memory = value(metrics, "process_resident_memory_bytes")
    assert memory is not None
    assert memory > 0
    assert value(metrics, "counter_build_info", **VERSIONS) == 1


def test_every_metric_is_described_and_named_as_prometheus_wants_it(metrics: Metrics) -> None:
    families = list(text_string_to_metric_families(generate_latest(metrics.registry).decode()))
    assert [family.name for family in families if not family.documentation] == []
    assert {family.name.partition("_")[0] for family in families} == {"counter", "process"}
    assert not any(family.name.endswith("_created") for family in families)


def test_two_replicas_in_one_process_share_nothing(metrics: Metrics) -> None:
    other = Metrics(["/static"], VERSIONS)
    other.etcd_failed_over()
    assert value(metrics, "counter_etcd_failovers_total") == 0


def test_prometheus_is_told_what_it_reads(metrics: Metrics) -> None:
    app = falcon.App()
    app.add_route("/metrics", Exposition(metrics.registry))
    result = TestClient(app).simulate_get("/metrics")
    assert result.headers["content-type"].startswith("text/plain; version=")
    assert "counter_etcd_failovers_total 0.0\n" in result.text
