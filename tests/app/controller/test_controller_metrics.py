from dataclasses import replace

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from controller.decision import Decision
from controller.facts import Quorum
from controller.metrics import Metrics
from controller.record import Cluster, Record
from tests.app.controller.cases import counting, quorum_of

THREE_WELL = quorum_of({0: True, 1: True, 2: True})
ALL_WELL = Decision("all_well", "all is well")


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


def gauges(metrics: Metrics) -> list[float | None]:
    names = ("epoch", "members_wanted", "members_voting", "has_quorum", "all_well")
    return [value(metrics, f"controller_{name}") for name in names]


def test_at_first_nothing_is_known(metrics: Metrics) -> None:
    assert gauges(metrics) == [0] * 5


def test_all_is_well(metrics: Metrics) -> None:
    metrics.decided(ALL_WELL, Record(counting()), THREE_WELL)
    assert gauges(metrics) == [1, 3, 3, 1, 1]


@pytest.mark.parametrize(
    ("decision", "cluster", "quorum"),
    [
        (Decision("all_well", "a member is away"), counting(), quorum_of({0: True, 1: True, 2: False})),
        (Decision("all_well", "one has yet to come"), counting(), quorum_of({0: True, 1: True})),
        (Decision("all_well", "one has yet to come"), counting(size=5), THREE_WELL),
        (Decision("replace_members", "etcd-2 is replaced"), counting(), THREE_WELL),
        (Decision("come_back", "no quorum answers"), counting(), None),
        (Decision("begin", "nobody is there"), None, None),
    ],
)
def test_all_else_is_not(metrics: Metrics, decision: Decision, cluster: Cluster | None, quorum: Quorum | None) -> None:
    metrics.decided(ALL_WELL, Record(counting()), THREE_WELL)
    metrics.decided(decision, Record(cluster), quorum)
    assert value(metrics, "controller_all_well") == 0
    assert value(metrics, "controller_has_quorum") == (quorum is not None)


def test_a_learner_does_not_vote(metrics: Metrics) -> None:
    first, *others = THREE_WELL.entries
    learning = replace(THREE_WELL, entries=(replace(first, learner=True), *others))
    metrics.decided(ALL_WELL, Record(counting()), learning)
    assert value(metrics, "controller_members_voting") == 2


def test_decisions_and_ends_are_counted_by_kind(metrics: Metrics) -> None:
    for _ in range(2):
        metrics.decided(ALL_WELL, Record(counting()), THREE_WELL)
    metrics.ended("OOMKilled")
    assert value(metrics, "controller_decisions_total", row="all_well") == 2
    assert value(metrics, "controller_etcd_ends_total", reason="OOMKilled") == 1
