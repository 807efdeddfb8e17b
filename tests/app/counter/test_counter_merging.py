"""Commits that are merged: what each of them comes to, and when they are."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pytest

from counter import merging, transactions
from counter.merging import TOO_OLD, Merger, commit_together
from counter.transactions import Commit, Committed, Shard
from etcd.errors import EtcdUnavailableError
from etcd.keys import ShardValue
from tests.app.conftest import Clock
from tests.app.counter.mishaps import PlannedEtcd
from tests.app.counter.recorded_events import RecordedEvents
from tests.app.counter.until import until


@pytest.fixture
def shards(etcd: PlannedEtcd) -> list[Shard]:
    return [born(etcd, name) for name in ("b", "a", "c")]


@pytest.fixture
def events() -> RecordedEvents:
    return RecordedEvents()


@pytest.fixture
def merger(etcd: PlannedEtcd, events: RecordedEvents, clock: Clock) -> Iterator[Merger]:
    with closing(Merger(etcd, events, clock)) as merger:
        yield merger


def born(etcd: PlannedEtcd, name: str) -> Shard:
    response = etcd.transact(transactions.birth(name, etcd.grant_lease(15), ""))
    return Shard(name, ShardValue(0, 0), response.header.revision)


def batch(shard: Shard, size: int) -> Commit:
    return Commit(shard, ShardValue(shard.value.total + size, shard.value.batch + 1))


def counts(committed: list[Committed] | None) -> list[int | None]:
    assert committed is not None
    return [each.count for each in committed]


# One transaction


def test_each_is_told_the_count_after_it_in_the_order_of_the_shards(etcd: PlannedEtcd, shards: list[Shard]) -> None:
    etcd.put(b"c/base", b"100")
    before = etcd.transactions
    committed = commit_together(etcd, [batch(shard, size) for shard, size in zip(shards, (1, 2, 4), strict=True)])
    assert counts(committed) == [103, 102, 107]
    assert committed is not None
    assert {(each.revision, each.cluster) for each in committed} == {(etcd.revision, etcd.cluster)}
    assert etcd.transactions == before + 1
    assert [etcd.values[b"c/s/" + name] for name in (b"a", b"b", b"c")] == [b"2 1", b"1 1", b"4 1"]


def test_all_or_none_are_committed(etcd: PlannedEtcd, shards: list[Shard]) -> None:
    etcd.put(b"c/s/a", b"1 1")
    assert commit_together(etcd, [batch(shard, 1) for shard in shards]) is None
    assert etcd.values[b"c/s/b"] == b"0 0"


def test_none_are_committed_when_etcd_says_no(etcd: PlannedEtcd, shards: list[Shard]) -> None:
    etcd.plan.append("refused")
    assert commit_together(etcd, [batch(shard, 1) for shard in shards]) is None


def test_two_batches_of_one_shard_are_not_committed(etcd: PlannedEtcd, shards: list[Shard]) -> None:
    assert commit_together(etcd, [batch(shards[0], 1), batch(shards[0], 2)]) is None
    assert etcd.values[b"c/s/b"] == b"0 0"


def test_a_count_that_can_not_be_read_is_told_to_nobody(etcd: PlannedEtcd, shards: list[Shard]) -> None:
    etcd.put(b"c/foreign", b"1")
    assert counts(commit_together(etcd, [batch(shard, 1) for shard in shards])) == [None, None, None]


# Many threads


def fail() -> None:
    raise ZeroDivisionError


@pytest.fixture
def start() -> Iterator[Callable[[Merger, Commit], Future[Committed | None]]]:
    with ThreadPoolExecutor() as threads:
        yield lambda merger, commit: threads.submit(merger.commit, commit)


Start = Callable[[Merger, Commit], Future[Committed | None]]


class Held:
    """A transaction of one commit, which has begun and waits until a test lets it end. Others come meanwhile."""

    def __init__(self, etcd: PlannedEtcd, merger: Merger, start: Start, commit: Commit) -> None:
        self._merger, self._start = merger, start
        self._has_begun, self._may_end = threading.Event(), threading.Event()
        etcd.plan.append(self._hold)
        self._first = start(merger, commit)
        assert self._has_begun.wait(60)

    def join(self, *commits: Commit) -> list[Future[Committed | None]]:
        """Have these wait for the next transaction, in this order."""
        joined = []
        for commit in commits:
            waiting = len(self._merger)
            joined.append(self._start(self._merger, commit))
            until(lambda: len(self._merger) == waiting + 1)  # noqa: B023
        return joined

    def end(self) -> None:
        self._may_end.set()
        assert self._first.result(60) is not None

    def _hold(self) -> None:
        self._has_begun.set()
        assert self._may_end.wait(60)


def test_what_comes_during_a_transaction_is_in_the_next_one(
    etcd: PlannedEtcd, merger: Merger, shards: list[Shard], start: Start, events: RecordedEvents
) -> None:
    held = Held(etcd, merger, start, batch(shards[0], 1))
    others = held.join(*(batch(shard, 1) for shard in shards[1:]))
    held.end()
    assert [future.result(60) is not None for future in others] == [True] * 2
    assert events.happened == ["merged 1", "merged 2"]


def test_it_waits_a_little_for_those_who_took_part_before(
    etcd: PlannedEtcd,
    merger: Merger,
    shards: list[Shard],
    start: Start,
    events: RecordedEvents,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(merging, "LONGEST_GATHERING", 60.0)
    held = Held(etcd, merger, start, batch(shards[0], 1))
    others = held.join(*(batch(shard, 1) for shard in shards[1:]))
    etcd.plan.append(lambda: clock.pass_by(100))  # so long takes the transaction of these two
    held.end()
    for future in others:
        assert future.result(60) is not None
    third = start(merger, batch(born(etcd, "d"), 1))
    fourth = start(merger, batch(born(etcd, "e"), 1))
    assert [third.result(60) is not None, fourth.result(60) is not None] == [True, True]
    assert events.happened == ["merged 1", "merged 2", "merged 2"]


def test_nobody_knows_what_became_of_them_when_the_reply_is_lost(
    etcd: PlannedEtcd, merger: Merger, shards: list[Shard], events: RecordedEvents
) -> None:
    etcd.plan.append("lost")
    with pytest.raises(EtcdUnavailableError):
        merger.commit(batch(shards[0], 1))
    assert events.happened == []
    assert etcd.values[b"c/s/b"] == b"1 1"


def test_what_has_waited_for_too_long_is_not_committed(
    etcd: PlannedEtcd, merger: Merger, shards: list[Shard], start: Start, clock: Clock
) -> None:
    held = Held(etcd, merger, start, batch(shards[0], 1))
    [late] = held.join(batch(shards[1], 1))
    clock.pass_by(2 * TOO_OLD)
    held.end()
    assert late.result(60) is None
    assert etcd.values[b"c/s/a"] == b"0 0"


def test_who_fails_to_send_leaves_the_others_in_doubt_and_the_lead_to_the_next(
    etcd: PlannedEtcd, merger: Merger, shards: list[Shard], start: Start
) -> None:
    held = Held(etcd, merger, start, batch(shards[0], 1))
    failing, other = held.join(batch(shards[1], 1), batch(shards[2], 1))
    etcd.plan.append(fail)
    held.end()
    with pytest.raises(ZeroDivisionError):
        failing.result(60)
    with pytest.raises(EtcdUnavailableError, match="failed"):
        other.result(60)
    assert merger.commit(batch(shards[1], 1)) is not None


def test_after_the_end_nothing_is_committed(etcd: PlannedEtcd, shards: list[Shard]) -> None:
    with closing(Merger(etcd)) as merger:
        pass
    assert merger.commit(batch(shards[0], 1)) is None
    assert etcd.values[b"c/s/b"] == b"0 0"
