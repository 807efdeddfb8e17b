import logging
from collections.abc import Iterator

import pytest

from counter.events import Events
from etcd.health import EtcdHealth
from tests.app.conftest import Clock
from tests.app.counter.recorded_events import RecordedEvents

MEMBER = 7


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, logger="etcd.health"):
        yield caplog


def test_an_outage_is_two_lines_however_many_calls_fail(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    health = EtcdHealth(Events(), clock)
    for reason in ["refused", "timed out", "timed out"]:
        health.failed(reason)
        clock.now += 5
    health.answered(MEMBER)
    health.answered(MEMBER)
    assert log.messages == ["etcd does not answer: refused", "etcd answers again"]


def test_answers_among_failures_do_not_fill_the_log(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    health = EtcdHealth(Events(), clock)
    for _ in range(100):
        health.failed("timed out")
        health.answered(MEMBER)
        clock.now += 0.1
    assert log.messages == ["etcd does not answer: timed out"]


def test_a_second_outage_is_told_again(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    health = EtcdHealth(Events(), clock)
    health.failed("refused")
    clock.now += 1
    health.answered(MEMBER)
    health.failed("timed out")
    assert log.messages[-1] == "etcd does not answer: timed out"


def test_an_etcd_that_always_answers_is_no_news(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    EtcdHealth(Events(), clock).answered(MEMBER)
    assert log.messages == []


def test_another_member_that_answers_is_a_failover(clock: Clock) -> None:
    events = RecordedEvents()
    health = EtcdHealth(events, clock)
    for member in [1, 1, 2, 2, 1]:
        health.answered(member)
    assert events.happened == ["failover", "failover"]


def test_the_first_member_is_no_failover_not_even_after_an_outage(clock: Clock) -> None:
    events = RecordedEvents()
    health = EtcdHealth(events, clock)
    health.failed("refused")
    clock.now += 5
    health.answered(1)
    assert events.happened == []
