import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from counter import reads as module
from counter.reads import Reads
from etcd.errors import EtcdRefusedError, EtcdUnavailableError
from tests.app.conftest import Clock

Start = Callable[..., Reads[int]]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def start(read: Callable[[], int], **options: Any) -> Reads[int]:  # noqa: ANN401
            reads = Reads(read, **options)
            stack.callback(reads.close)
            return reads

        yield start


class Source:
    """Numbers its reads. Each begins at once, and ends when it may."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self._numbers = itertools.count(1)

    def __call__(self) -> int:
        number = next(self._numbers)
        self.begun.release()
        assert self.may_end.acquire(timeout=10)
        return number


def test_all_who_asked_before_a_read_began_share_it_and_others_do_not(start: Start) -> None:
    source = Source()
    reads = start(source)
    first = reads.ask()
    assert source.begun.acquire(timeout=10)
    later = [reads.ask() for _ in range(5)]
    source.may_end.release(2)
    assert first.result(10) == 1
    assert [answer.result(10) for answer in later] == [2] * 5


def test_an_answer_serves_again_while_it_is_young(start: Start, clock: Clock) -> None:
    numbers = itertools.count(1)
    reads = start(lambda: next(numbers), max_age=0.5, clock=clock)
    assert reads.ask().result(10) == 1
    settled(reads)
    clock.now += 0.4
    assert reads.ask().result(10) == 1
    clock.now += 0.2
    assert reads.ask().result(10) == 2


def test_a_failure_is_an_answer_too(start: Start) -> None:
    def read() -> int:
        raise EtcdRefusedError("for a reason")

    reads = start(read)
    for _ in range(2):
        with pytest.raises(EtcdRefusedError, match="for a reason"):
            reads.ask().result(10)


def test_what_etcd_does_not_answer_is_read_again_with_patience(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_INTERVAL", 0.01)
    numbers = itertools.count(1)

    def read() -> int:
        if (number := next(numbers)) < 4:
            raise EtcdUnavailableError("away")
        return number

    assert start(read, patience=10).ask().result(10) == 4


def test_patience_ends(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_INTERVAL", 0.01)

    def read() -> int:
        raise EtcdUnavailableError("away")

    with pytest.raises(EtcdUnavailableError):
        start(read, patience=0.05).ask().result(10)


def settled(reads: Reads[int]) -> None:
    """Wait until the worker has noted its last answer."""
    while reads._latest is None:
        threading.Event().wait(0.001)
