"""One committer, step by step: what each way to fail leads to."""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from counter.counting import RESULTS_ARE_KEPT, Committer, Life
from counter.folding import fold_orphans
from counter.records import MAX_AGE, RecordLeases
from counter.requests import Counted, Fate, Outcome, Request, Waiting
from tests.app.counter.mishaps import PlannedEtcd
from tests.app.counter.recorded_events import RecordedEvents


class Bench:
    """A committer that has its shard, and all that is around it. Each `between` is called before something is sent
    again."""

    def __init__(self) -> None:
        self.etcd = PlannedEtcd()
        self.waiting = Waiting()
        self.between: deque[Callable[[], object]] = deque()
        self.now = 0.0
        self.records = RecordLeases(self.etcd, clock=lambda: self.now)
        self.events = RecordedEvents()
        ids = count()
        self.committer = Committer(
            self.etcd, self.waiting, self.records, self._pause, lambda: self.now, lambda: f"s{next(ids)}", self.events
        )
        self.committer.step()

    @property
    def life(self) -> Life:
        assert self.committer.life is not None
        return self.committer.life

    def ask(self, *keys: str | None) -> list[Request]:
        """Increments, each with a key or None, that wait for the next batch."""
        requests = [Request(key) for key in keys]
        for request in requests:
            self.waiting.add(request)
        return requests

    def count(self, *keys: str | None) -> list[Outcome | None]:
        requests = self.ask(*keys)
        self.committer.step()
        return [request.outcome for request in requests]

    def total(self) -> int:
        values = self.etcd.values
        return sum(int(value.split()[0]) for key, value in values.items() if key.startswith(b"c/"))

    def fold(self) -> None:
        """What others do when this replica seems gone."""
        self.etcd.expire(self.life.lease)
        assert list(fold_orphans(self.etcd, RecordLeases(self.etcd)))

    def restore(self) -> None:
        self.etcd.restore(self.etcd.snapshot())

    def _pause(self) -> None:
        if self.between:
            self.between.popleft()()


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def etcd(bench: Bench) -> PlannedEtcd:
    return bench.etcd


@pytest.fixture(autouse=True)
def _everything_planned_happens(bench: Bench) -> Iterator[None]:
    yield
    assert not bench.between
    assert not bench.etcd.plan


# Nothing fails


def test_all_that_wait_are_counted_by_one_transaction(bench: Bench, etcd: PlannedEtcd) -> None:
    before = etcd.transactions
    assert bench.count(None, None, None) == [Counted(1), Counted(2), Counted(3)]
    assert etcd.transactions == before + 1
    assert bench.count(None) == [Counted(4)]


def test_increments_of_others_are_counted_in_between(bench: Bench, etcd: PlannedEtcd) -> None:
    bench.count(None)
    etcd.put(b"c/s/other", b"10 1")
    assert bench.count(None) == [Counted(12)]


def test_a_keyed_value_is_told_only_when_it_is_stored(bench: Bench, etcd: PlannedEtcd) -> None:
    [request] = bench.ask("a")
    bench.committer.step()
    assert request.outcome is None
    assert b"r/s0/1" not in etcd.values
    bench.committer.step()
    assert request.outcome == Counted(1)
    assert etcd.values[b"r/s0/1"] == b"1"


def test_the_next_batch_takes_the_result_along(bench: Bench, etcd: PlannedEtcd) -> None:
    [request] = bench.ask("a")
    bench.committer.step()
    before = etcd.transactions
    bench.count(None)
    assert request.outcome == Counted(1)
    assert etcd.transactions == before + 1


def test_a_key_that_has_a_record_is_left_to_the_records_and_the_others_counted(bench: Bench) -> None:
    bench.count("a")
    assert bench.count(None, "a", None) == [Counted(2), Fate.IN_RECORDS, Counted(3)]
    assert bench.total() == 3


# Replies are lost


def test_a_lost_reply_is_asked_for_again(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.plan.extend(["lost", "lost"])
    assert bench.count(None, None) == [Counted(1), Counted(2)]
    assert bench.total() == 2


def test_an_attempt_that_is_late_counts_once(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.plan.append("late")
    assert bench.count(None) == [Counted(1)]
    etcd.arrive()
    assert bench.total() == 1
    assert bench.count(None) == [Counted(2)]


def test_the_count_of_a_lost_reply_is_the_one_of_its_moment(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.plan.append("lost")
    bench.between.append(lambda: etcd.put(b"c/s/other", b"10 1"))
    assert bench.count(None) == [Counted(1)]
    assert bench.count(None) == [Counted(12)]


def test_the_count_of_a_lost_reply_that_is_compacted_is_unknown(bench: Bench, etcd: PlannedEtcd) -> None:
    def compact() -> None:
        etcd.put(b"another", b"key")
        etcd.compact()

    etcd.plan.append("lost")
    bench.between.append(compact)
    assert bench.count(None, "a") == [Fate.UNKNOWN, Fate.IN_RECORDS]


def test_those_who_go_on_waiting_are_counted_without_the_one_who_gave_up(bench: Bench, etcd: PlannedEtcd) -> None:
    impatient, patient = bench.ask(None, None)
    etcd.plan.append("late")
    bench.between.append(lambda: bench.waiting.give_up(impatient))
    bench.committer.step()
    assert patient.outcome == Counted(1)
    assert impatient.outcome is Fate.NOT_COUNTED
    etcd.arrive()
    assert bench.total() == 1, "the batch before is fenced off"


def test_the_one_who_gave_up_may_have_been_counted_all_the_same(bench: Bench, etcd: PlannedEtcd) -> None:
    impatient, patient = bench.ask(None, None)
    etcd.plan.append("lost")
    bench.between.append(lambda: bench.waiting.give_up(impatient))
    bench.committer.step()
    assert [impatient.outcome, patient.outcome] == [Counted(1), Counted(2)]
    assert bench.total() == 2


def test_when_all_gave_up_an_empty_batch_decides(bench: Bench, etcd: PlannedEtcd) -> None:
    [request] = bench.ask(None)
    etcd.plan.append("late")
    bench.between.append(lambda: bench.waiting.give_up(request))
    bench.committer.step()
    etcd.arrive()
    assert bench.total() == 0
    assert bench.count(None) == [Counted(1)]


def test_a_result_whose_reply_is_lost_is_stored_again_on_the_same_lease(bench: Bench, etcd: PlannedEtcd) -> None:
    [request] = bench.ask("a")
    bench.committer.step()
    leases = len(etcd.leases)
    for _ in range(3):
        etcd.plan.append("late")
        bench.committer.step()
        assert request.outcome is None
    bench.committer.step()
    assert request.outcome == Counted(1)
    assert len(etcd.leases) == leases


# The shard is folded


def test_what_was_never_in_doubt_is_counted_in_the_next_life(bench: Bench) -> None:
    bench.count(None)
    bench.fold()
    [request] = bench.ask(None)
    bench.committer.step()
    assert request.outcome is None
    bench.committer.step()
    assert request.outcome == Counted(2)
    assert bench.life.shard.id == "s1"


def test_the_fold_has_stored_what_a_lost_reply_said(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.plan.append("lost")
    bench.between.append(bench.fold)
    assert bench.count(None, None) == [Counted(1), Counted(2)]
    assert bench.committer.life is None


def test_what_a_fold_has_no_result_of_was_not_counted(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.plan.append("late")
    bench.between.append(bench.fold)
    assert bench.count(None, "a") == [Fate.NOT_COUNTED, Fate.IN_RECORDS]
    etcd.arrive()
    assert bench.total() == 0


def test_a_fold_that_came_too_late_to_know_leaves_it_unknown(bench: Bench, etcd: PlannedEtcd) -> None:
    def compact_and_fold() -> None:
        etcd.put(b"another", b"key")
        etcd.compact()
        bench.fold()

    etcd.plan.append("lost")
    bench.between.append(compact_and_fold)
    assert bench.count(None) == [Fate.UNKNOWN]
    assert bench.total() == 1


def test_a_result_may_be_gone_after_half_a_day(bench: Bench, etcd: PlannedEtcd) -> None:
    def fold_and_sleep() -> None:
        bench.fold()
        bench.now += RESULTS_ARE_KEPT

    etcd.plan.append("late")
    bench.between.append(fold_and_sleep)
    assert bench.count(None) == [Fate.UNKNOWN]


def test_a_shard_that_the_keeper_saw_folded_is_left(bench: Bench) -> None:
    [request] = bench.ask("a")
    bench.committer.step()
    bench.life.is_over = True
    bench.committer.step()
    assert request.outcome is Fate.IN_RECORDS
    assert bench.life.shard.id == "s1"


# etcd is restored


def test_what_was_never_in_doubt_is_counted_after_a_restore(bench: Bench, etcd: PlannedEtcd) -> None:
    snapshot = etcd.snapshot()
    bench.count(None)
    etcd.restore(snapshot)
    [request] = bench.ask(None)
    bench.committer.step()
    bench.committer.step()
    assert request.outcome == Counted(1)


def test_what_was_in_doubt_is_unknown_after_a_restore(bench: Bench, etcd: PlannedEtcd) -> None:
    snapshot = etcd.snapshot()
    bench.count(None)
    etcd.plan.append("lost")
    bench.between.append(lambda: etcd.restore(snapshot))
    assert bench.count(None, "a") == [Fate.UNKNOWN, Fate.IN_RECORDS]
    assert bench.committer.life is None


def test_a_commit_that_a_restored_etcd_takes_is_the_last_of_its_shard(bench: Bench) -> None:
    bench.count(None)
    bench.restore()
    assert bench.count(None, "a") == [Counted(2), Fate.IN_RECORDS]
    assert bench.committer.life is None
    assert bench.total() == 3


def test_results_of_another_history_prove_nothing(bench: Bench, etcd: PlannedEtcd) -> None:
    def fold() -> None:
        bench.fold()
        etcd.before_reading = bench.restore

    etcd.plan.append("late")
    bench.between.append(fold)
    assert bench.count(None) == [Fate.UNKNOWN]


# etcd refuses


def test_what_etcd_refuses_was_not_counted(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.plan.append("refused")
    assert bench.count(None, "a") == [Fate.NOT_COUNTED, Fate.UNKNOWN]
    assert bench.count(None) == [Counted(1)]


def test_a_refusal_says_nothing_of_an_attempt_before_it(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.plan.extend(["lost", "refused"])
    assert bench.count(None) == [Counted(1)]
    assert bench.total() == 1


def test_a_lease_that_is_refused_says_nothing_of_an_attempt_before_it(bench: Bench, etcd: PlannedEtcd) -> None:
    impatient, patient, _ = bench.ask(None, None, "a")

    def give_up() -> None:
        bench.waiting.give_up(impatient)
        bench.now += MAX_AGE + 1  # so that the next batch needs another lease
        etcd.refuses_leases = True

    etcd.plan.append("late")
    bench.between.extend([give_up, etcd.arrive, lambda: setattr(etcd, "refuses_leases", False)])
    bench.committer.step()
    assert [impatient.outcome, patient.outcome] == [Counted(1), Counted(2)]


def test_records_go_on_another_lease_when_theirs_has_ended(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.expire(bench.records.lease_for(0))
    [request] = bench.ask("a")
    bench.committer.step()
    bench.committer.step()
    assert request.outcome == Counted(1)
    assert bench.life.shard.value.batch == 2, "another batch, so that the first can't be taken for it"


def test_a_result_goes_on_another_lease_when_its_own_has_ended(bench: Bench, etcd: PlannedEtcd) -> None:
    [request] = bench.ask("a")
    bench.committer.step()
    bench.now += MAX_AGE + 1
    etcd.expire(bench.records.lease_for(0))
    bench.committer.step()
    bench.committer.step()
    assert request.outcome == Counted(1)


def test_a_result_waits_for_a_lease_that_is_refused(bench: Bench, etcd: PlannedEtcd) -> None:
    [request] = bench.ask("a")
    bench.committer.step()
    bench.now += MAX_AGE + 1
    etcd.refuses_leases = True
    bench.committer.step()
    assert request.outcome is None
    etcd.refuses_leases = False
    bench.committer.step()
    assert request.outcome == Counted(1)


def test_a_shard_is_made_in_the_end(bench: Bench, etcd: PlannedEtcd) -> None:
    bench.fold()
    bench.life.is_over = True
    etcd.plan.extend(["refused", "lost"])
    [request] = bench.ask(None)
    bench.committer.step()
    assert request.outcome == Counted(1)
    assert bench.life.shard.id == "s2"


# Somebody else writes under the counter's keys


def test_a_shard_that_goes_while_it_is_born_is_not_waited_for(bench: Bench, etcd: PlannedEtcd) -> None:
    bench.life.is_over = True
    etcd.plan.append("lost")
    bench.between.append(lambda: etcd.delete(b"c/s/s1"))
    assert bench.count(None) == [Counted(1)]
    assert bench.life.shard.id == "s2"


def test_a_shard_that_somebody_else_has_written_is_left(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.plan.append("late")
    bench.between.append(lambda: etcd.put(b"c/s/s0", b"5 99"))
    assert bench.count(None, "a") == [Fate.UNKNOWN, Fate.IN_RECORDS]
    assert bench.count(None) == [Counted(6)]


def test_a_foreign_key_hides_the_values_but_the_count_goes_on(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.put(b"c/other", b"x")
    assert bench.count(None) == [Fate.UNKNOWN]
    etcd.delete(b"c/other")
    assert bench.count(None) == [Counted(2)]


def test_a_shard_that_cannot_be_read_is_left(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.put(b"c/s/s0", b"x")
    assert bench.count(None) == [Fate.UNKNOWN]
    etcd.put(b"c/s/s0", b"0 0")
    assert bench.count(None) == [Counted(1)]


# What others learn of it


def test_a_batch_is_told_with_its_size(bench: Bench) -> None:
    bench.count(None, None, None)
    assert bench.events.happened == ["applied", "counted 3"]


def test_a_doubt_is_one_however_often_the_batch_is_sent(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.plan.extend(["lost", "lost"])
    bench.count(None, None)
    assert bench.events.happened == ["ambiguous", "doubt", "ambiguous", "refused", "resolved", "counted 2"]


def test_a_batch_that_etcd_refuses_is_in_no_doubt(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.plan.append("refused")
    bench.count(None)
    assert bench.events.happened == ["refused"]


def test_a_key_that_has_a_record_resolves_the_doubt(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.plan.append("late")
    bench.between.append(lambda: etcd.put(b"i/a", b"s9 1 0 1"))
    bench.count(None, "a")
    assert bench.events.happened == ["ambiguous", "doubt", "refused", "resolved", "applied", "counted 1"]


@pytest.mark.parametrize(
    ("reply", "counted"),
    [pytest.param("lost", ["counted 1"], id="applied"), pytest.param("late", [], id="not applied")],
)
def test_a_fold_resolves_the_doubt(bench: Bench, etcd: PlannedEtcd, reply: str, counted: list[str]) -> None:
    etcd.plan.append(reply)
    bench.between.append(bench.fold)
    bench.count(None)
    assert bench.events.happened == ["ambiguous", "doubt", "refused", *counted, "resolved"]


def test_a_restore_leaves_the_doubt(bench: Bench, etcd: PlannedEtcd) -> None:
    etcd.plan.append("lost")
    bench.between.append(bench.restore)
    bench.count(None)
    assert bench.events.happened == ["ambiguous", "doubt", "refused"]
