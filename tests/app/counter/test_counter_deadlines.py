import time

from counter.deadlines import Deadlines
from counter.requests import Counted, Fate, Request, Waiting


def test_a_request_is_given_up_when_its_time_is_over() -> None:
    waiting = Waiting()
    deadlines = Deadlines(waiting, patience=10)
    request = Request()
    waiting.add(request)
    before = time.monotonic()
    deadlines.add(request)
    deadlines.expire(before + 9.9)
    assert request.outcome is None
    deadlines.expire(time.monotonic() + 10)
    assert request.outcome is Fate.NOT_COUNTED
    assert not waiting.has_some()


def test_one_under_way_may_be_counted() -> None:
    waiting = Waiting()
    deadlines = Deadlines(waiting, patience=0)
    request = Request()
    waiting.add(request)
    deadlines.add(request)
    waiting.take(1)
    deadlines.expire(time.monotonic())
    assert request.outcome is Fate.UNKNOWN
    assert request.is_given_up


def test_requests_that_are_settled_are_forgotten() -> None:
    deadlines = Deadlines(Waiting(), patience=10)
    first, second, third = Request(), Request(), Request()
    for request in (first, second, third):
        deadlines.add(request)
    first.settle(Counted(1))
    third.settle(Counted(3))
    deadlines.expire(time.monotonic())
    assert [request for _, request in deadlines._requests] == [second, third]
    second.settle(Counted(2))
    deadlines.expire(time.monotonic())
    assert not deadlines._requests
