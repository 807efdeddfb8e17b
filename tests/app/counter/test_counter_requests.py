import threading

import pytest

from counter.requests import Counted, Fate, Outcome, Request, Waiting
from counter.work import Work


def queue(*requests: Request) -> Waiting:
    waiting = Waiting()
    for request in requests:
        waiting.add(request)
    return waiting


def test_a_request_is_settled_once() -> None:
    request = Request()
    assert request.wait(0) is None
    request.settle(Counted(1))
    request.settle(Fate.UNKNOWN)
    assert request.wait(0) == Counted(1)


def test_one_who_waits_is_woken() -> None:
    request = Request()
    threading.Timer(0.01, request.settle, [Counted(1)]).start()
    assert request.wait(60) == Counted(1)


def test_whoever_wants_to_know_is_called_once() -> None:
    request = Request()
    called: list[tuple[int, object]] = []
    request.add_done_callback(lambda settled: called.append((1, settled.outcome)))
    request.add_done_callback(lambda settled: called.append((2, settled.outcome)))
    assert not request.done()
    assert called == []
    request.settle(Counted(1))
    request.settle(Counted(2))
    assert request.done()
    request.add_done_callback(lambda settled: called.append((3, settled.outcome)))
    assert called == [(1, Counted(1)), (2, Counted(1)), (3, Counted(1))]


def test_a_request_is_work() -> None:
    request: Work[Outcome] = Request()
    with pytest.raises(TimeoutError):
        request.result(timeout=0)
    threading.Timer(0.01, Request.settle, [request, Fate.UNKNOWN]).start()
    assert request.result() is Fate.UNKNOWN
    assert request.result(timeout=0) is Fate.UNKNOWN


def test_requests_are_taken_in_their_order_and_once() -> None:
    requests = [Request(), Request("a"), Request()]
    waiting = queue(*requests)
    assert waiting.take(100) == requests
    assert waiting.take(100) == []
    assert not waiting.has_some()


def test_no_batch_has_more_keys_than_fit() -> None:
    first, second, third, plain = Request("a"), Request("b"), Request("c"), Request()
    waiting = queue(first, second, third, plain)
    assert waiting.take(2) == [first, second, plain]
    assert waiting.take(2) == [third]


def test_no_batch_has_a_key_twice() -> None:
    first, again, other = Request("a"), Request("a"), Request("b")
    waiting = queue(first, again, other)
    assert waiting.take(100) == [first, other]
    assert waiting.take(100) == [again]


def test_who_gives_up_before_the_batch_was_not_counted() -> None:
    request, other = Request(), Request()
    waiting = queue(request, other)
    assert waiting.give_up(request) is Fate.NOT_COUNTED
    assert waiting.take(100) == [other]


def test_who_gives_up_with_a_key_may_be_counted_elsewhere() -> None:
    request = Request("a")
    assert queue(request).give_up(request) is Fate.UNKNOWN


def test_who_gives_up_later_may_be_counted() -> None:
    request = Request()
    waiting = queue(request)
    waiting.take(100)
    assert waiting.give_up(request) is Fate.UNKNOWN
    assert request.is_given_up


def test_who_gives_up_too_late_is_told_the_value() -> None:
    request = Request()
    waiting = queue(request)
    waiting.take(100)
    request.settle(Counted(7))
    assert waiting.give_up(request) == Counted(7)


def test_requests_are_put_back_before_all_others_but_not_for_nobody() -> None:
    first, second, given_up, late = Request(), Request(), Request(), Request()
    waiting = queue(first, second, given_up)
    taken = waiting.take(100)
    waiting.add(late)
    waiting.give_up(given_up)
    waiting.put_back(taken)
    assert waiting.take(100) == [first, second, late]


def test_the_one_who_takes_is_woken_by_a_request_or_by_hand() -> None:
    waiting = Waiting()
    threading.Timer(0.01, waiting.add, [Request()]).start()
    waiting.wait(60, or_until=lambda: False)
    assert waiting.take(100)
    is_stopping = threading.Event()

    def stop() -> None:
        is_stopping.set()
        waiting.wake()

    threading.Timer(0.01, stop).start()
    waiting.wait(60, or_until=is_stopping.is_set)
    assert is_stopping.is_set()


def test_the_one_who_gathers_is_woken_by_the_last_one() -> None:
    waiting = queue(Request(), Request())
    waiting.take(100)
    waiting.add(Request())
    assert waiting.under_way() == 3
    for seconds in (0.01, 0.02):
        threading.Timer(seconds, waiting.add, [Request()]).start()
    waiting.gather(waiting.under_way(), seconds=60)
    assert len(waiting) == 3


def test_gathering_ends_in_time() -> None:
    waiting = queue(Request())
    waiting.gather(2, seconds=0.01)
    assert len(waiting) == 1
    threading.Timer(0.01, waiting.add, [Request()]).start()
    waiting.take(100)
    waiting.wait(60, or_until=lambda: False)
    assert waiting.has_some(), "afterwards one is enough again"
