"""Replicas with their threads, over one etcd in memory."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
from etcd3.etcdrpc import TxnRequest, TxnResponse  # type: ignore[import-untyped]  # ships no py.typed

from counter import budget, sharing
from counter import replica as module
from counter.replica import Replica
from counter.requests import Counted, Fate, Outcome, Waiting
from counter.sharing import Sharing
from counter.work import Work
from etcd.errors import EtcdUnavailableError
from tests.app.counter.in_memory_etcd import InMemoryEtcd
from tests.app.counter.mishaps import PlannedEtcd
from tests.app.counter.recorded_events import RecordedEvents
from tests.app.counter.until import until

Start = Callable[..., Replica]


@pytest.fixture
def start(etcd: PlannedEtcd) -> Iterator[Start]:
    """Start a replica; all are closed in the end."""
    with ExitStack() as replicas:

        def start(patience: float = 30) -> Replica:
            return replicas.enter_context(closing(Replica(etcd, patience)))

        yield start
        etcd.away = etcd.loses_replies = False


@pytest.fixture
def short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEEP_INTERVAL", "KEEP_AGAIN_INTERVAL", "FOLD_INTERVAL", "RETRY_INTERVAL"):
        monkeypatch.setattr(module, name, 0.01)


class DistantEtcd(InMemoryEtcd):
    """Takes as long for a transaction as a real one, so that others come meanwhile."""

    def transact(self, request: TxnRequest) -> TxnResponse:
        time.sleep(0.002)
        return super().transact(request)


def value_of(increment: Work[Outcome]) -> int:
    outcome = increment.result(timeout=60)
    assert isinstance(outcome, Counted)
    return outcome.value


def count_at_once(replicas: list[Replica], clients: int, each: int) -> list[int]:
    """Have many clients count, each at all replicas in turn. Returns the values."""
    begin = threading.Barrier(clients)

    def client(number: int) -> list[int]:
        begin.wait()
        return [value_of(replicas[(number + turn) % len(replicas)].increment()) for turn in range(each)]

    with ThreadPoolExecutor(clients) as threads:
        return [value for values in threads.map(client, range(clients)) for value in values]


def test_values_are_handed_out_once_and_without_gaps(start: Start) -> None:
    replicas = [start() for _ in range(3)]
    values = count_at_once(replicas, clients=20, each=20)
    assert sorted(values) == list(range(1, 401))
    assert [replica.fetch().result() for replica in replicas] == [400] * 3


@pytest.mark.usefixtures("short_intervals")
def test_replicas_that_share_transactions_hand_out_every_value_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "SHARED_FROM", 1)
    etcd = DistantEtcd()
    events = RecordedEvents()
    with ExitStack() as stack:
        replicas = []
        for _ in range(3):
            shared = stack.enter_context(closing(Sharing(etcd, "127.0.0.1", 0, events)))
            replicas.append(stack.enter_context(closing(Replica(etcd, sharing=shared))))
        values: list[int] = []
        while "merged 3" not in events.happened:
            values += count_at_once(replicas, clients=20, each=5)
    assert sorted(values) == list(range(1, len(values) + 1))
    assert etcd.values == {b"c/base": str(len(values)).encode()}


def test_all_that_wait_are_counted_by_one_transaction(start: Start, etcd: PlannedEtcd) -> None:
    replica = start()
    assert value_of(replica.increment()) == 1
    may_answer = threading.Event()
    etcd.plan.append(may_answer.wait)
    first = replica.increment()
    until(lambda: not etcd.plan)
    rest = [replica.increment() for _ in range(20)]
    before = etcd.transactions
    may_answer.set()
    assert value_of(first) == 2
    assert [value_of(request) for request in rest] == list(range(3, 23))
    assert etcd.transactions == before + 2


def test_clients_that_do_not_come_back_are_not_waited_for_long(
    start: Start, etcd: PlannedEtcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered = []
    monkeypatch.setattr(Waiting, "gather", lambda _, clients, seconds: gathered.append((clients, seconds)))
    replica = start()
    assert value_of(replica.increment()) == 1
    may_answer = threading.Event()
    etcd.plan.append(may_answer.wait)
    slow = replica.increment()
    until(lambda: not etcd.plan)
    threading.Timer(0.1, may_answer.set).start()
    assert value_of(slow) == 2
    assert value_of(replica.increment()) == 3
    assert gathered[-1] == (1, module.LONGEST_GATHERING)


def test_a_key_is_counted_once_whoever_is_asked_and_when(start: Start) -> None:
    first, second = start(), start()
    value = value_of(first.increment("a"))
    assert value_of(second.increment()) == value + 1
    assert [value_of(first.increment("a")), value_of(second.increment("a"))] == [value, value]
    first.close()
    assert value_of(second.increment("a")) == value
    assert value_of(second.increment("b")) == value + 2


def test_a_key_is_counted_once_when_all_ask_at_once(start: Start) -> None:
    replicas = [start() for _ in range(3)]
    increments = [replicas[number % 3].increment("a") for number in range(12)]
    assert [value_of(increment) for increment in increments] == [1] * 12
    assert replicas[0].fetch().result() == 1


def test_a_keyed_value_that_nobody_knows_is_lost(start: Start, etcd: PlannedEtcd) -> None:
    etcd.put(b"i/a", b"one 7 0 1")
    etcd.put(b"r/one/7", b"?")
    assert start().increment("a").result() is Fate.VALUE_LOST


@pytest.mark.usefixtures("short_intervals")
def test_keys_are_refused_when_the_budget_is_spent_and_replicas_share_it(start: Start, etcd: PlannedEtcd) -> None:
    replica = start()
    other = start()
    assert value_of(other.increment()) == 1
    assert value_of(replica.increment()) == 2
    until(lambda: replica._budget._per_second == replica._budget._in_all / 2)
    replica._budget._left = 0
    replica._budget._in_all = replica._budget._per_second = 0
    assert replica.increment("a").result() is Fate.NO_ROOM
    assert value_of(replica.increment()) == 3, "without a key it costs nothing"
    assert not any(key.startswith(b"i/") for key in etcd.values)


@pytest.mark.usefixtures("short_intervals")
def test_keys_are_refused_while_members_are_full(
    start: Start, etcd: PlannedEtcd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    replica = start()
    etcd.size = budget.DEFAULT_ROOM + 1
    until(lambda: replica._budget.is_full)
    assert replica.increment("a").result() is Fate.NO_ROOM
    assert value_of(replica.increment()) == 1
    etcd.size = budget.DEFAULT_ROOM
    until(lambda: not replica._budget.is_full)
    assert value_of(replica.increment("a")) == 2
    assert [record.levelname for record in caplog.records if "database has" in record.message] == ["WARNING", "INFO"]


def test_without_etcd_an_increment_is_not_counted(start: Start, etcd: PlannedEtcd) -> None:
    etcd.away = True
    impatient = start(patience=0.05)
    assert impatient.increment().result() is Fate.NOT_COUNTED
    assert impatient.increment("a").result() is Fate.UNKNOWN
    with pytest.raises(EtcdUnavailableError):
        impatient.fetch().result()
    etcd.away = False
    assert value_of(start().increment()) == 1, "what was given up is not counted later"


def test_without_replies_the_outcome_is_unknown_and_the_count_exact(start: Start, etcd: PlannedEtcd) -> None:
    impatient, patient = start(patience=0.3), start()
    assert value_of(patient.increment()) == 1
    until(lambda: impatient._committer.life is not None)
    etcd.loses_replies = True
    assert impatient.increment().result() is Fate.UNKNOWN
    etcd.loses_replies = False
    assert value_of(patient.increment()) == 3


@pytest.mark.usefixtures("short_intervals")
def test_a_replica_that_lost_its_shard_goes_on_with_another(start: Start, etcd: PlannedEtcd) -> None:
    replica, other = start(), start()
    assert value_of(replica.increment()) == 1
    [shard] = [key for key, value in etcd.values.items() if key.startswith(b"c/s/") and value == b"1 1"]
    etcd.expire(etcd.pairs[b"o/" + shard.removeprefix(b"c/s/")].lease)
    # Whoever is first: its owner owns it again, or the other one folds it.
    assert value_of(replica.increment()) == 2
    assert value_of(other.increment()) == 3
    until(lambda: len([key for key in etcd.values if key.startswith(b"o/")]) == 2)


@pytest.mark.usefixtures("short_intervals")
def test_shards_that_nobody_owns_are_folded(start: Start, etcd: PlannedEtcd) -> None:
    etcd.put(b"c/s/gone", b"40 1")
    replica = start()
    until(lambda: b"c/s/gone" not in etcd.values)
    assert etcd.values[b"c/base"] == b"40"
    assert value_of(replica.increment()) == 41


def test_a_replica_that_is_closed_leaves_only_the_count_and_its_records(start: Start, etcd: PlannedEtcd) -> None:
    replica = start()
    value_of(replica.increment())
    value_of(replica.increment("a"))
    replica.close()
    assert sorted(key.split(b"/")[0] for key in etcd.values) == [b"c", b"i", b"r"]
    assert etcd.values[b"c/base"] == b"2"
    leased = {key for key, pair in etcd.pairs.items() if pair.lease in etcd.leases}
    assert leased == set(etcd.values) - {b"c/base"}
    assert len(etcd.leases) == 1, "that of the records: the owner's is given back"


def test_a_replica_that_is_closed_counts_what_waits(start: Start, etcd: PlannedEtcd) -> None:
    replica = start()
    value_of(replica.increment())
    may_answer = threading.Event()
    etcd.plan.append(may_answer.wait)
    under_way = replica.increment()
    until(lambda: not etcd.plan)
    waiting = replica.increment()
    with ThreadPoolExecutor(1) as threads:
        close = threads.submit(replica.close)
        until(replica._stopping.is_set)
        may_answer.set()
        assert [value_of(under_way), value_of(waiting)] == [2, 3]
        close.result()
    assert etcd.values == {b"c/base": b"3"}


def test_a_replica_that_has_nothing_to_settle_is_closed_without_etcd(start: Start, etcd: PlannedEtcd) -> None:
    etcd.away = True
    replica = start()
    replica.close()
    assert not any(thread.is_alive() for thread in replica._threads)


def test_closing_ends_in_time_without_etcd(start: Start, etcd: InMemoryEtcd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLING_TIME", 0.05)
    replica = start()
    value_of(replica.increment())
    etcd.away = True
    replica.close()
    until(lambda: not any(thread.is_alive() for thread in replica._threads))
    assert replica._committer.life is not None, "the shard is left to others"
