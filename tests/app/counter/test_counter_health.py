import logging
from collections.abc import Iterator

import pytest

from counter.health import EtcdHealth
from tests.app.counter.conftest import Clock


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, logger="counter.health"):
        yield caplog


def test_an_outage_is_two_lines_however_many_calls_fail(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    health = EtcdHealth(clock)
    for reason in ["refused", "timed out", "timed out"]:
        health.failed(reason)
        clock.now += 5
    health.answered()
    health.answered()
    assert log.messages == ["etcd does not answer: refused", "etcd answers again"]


def test_answers_among_failures_do_not_fill_the_log(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    health = EtcdHealth(clock)
    for _ in range(100):
        health.failed("timed out")
        health.answered()
        clock.now += 0.1
    assert log.messages == ["etcd does not answer: timed out"]


def test_a_second_outage_is_told_again(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    health = EtcdHealth(clock)
    health.failed("refused")
    clock.now += 1
    health.answered()
    health.failed("timed out")
    assert log.messages[-1] == "etcd does not answer: timed out"


def test_an_etcd_that_always_answers_is_no_news(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    EtcdHealth(clock).answered()
    assert log.messages == []
