"""Replicas in this process, clients that increment, and the history of what the clients were told."""

import math
import random
import threading
import time
import uuid
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeVar

from etcd3.etcdrpc import RangeRequest  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
from etcd3.etcdrpc.kv_pb2 import KeyValue  # type: ignore[import-untyped]

from chaos.history import miscounted
from counter.budget import DEFAULT_ROOM
from counter.replica import Replica
from counter.requests import Counted, Fate
from counter.sharing import Sharing
from counter.store import Store
from etcd import counts, keys
from etcd.client import EtcdClient
from etcd.endpoints import Endpoint
from etcd.errors import EtcdUnavailableError
from tests.members.cluster import PATIENCE, wait_until

# Seconds between two reads of one client.
FETCH_INTERVAL = 0.02

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Answer:
    """What one call of `increment` came to: a value, or why there is none."""

    replica: int
    at: float
    value: int | None = None
    is_not_counted: bool = False


@dataclass(frozen=True)
class Fetch:
    """What one call of `fetch` came to."""

    replica: int
    began: float
    count: int | None


@dataclass
class History:
    """All answers, in the order in which they came."""

    answers: list[Answer] = field(default_factory=list)
    fetches: list[Fetch] = field(default_factory=list)

    def values(self, since: float = 0.0, until: float = math.inf) -> list[int]:
        return [answer.value for answer in self.answers if answer.value is not None and since <= answer.at < until]

    def unknown(self, since: float = 0.0) -> int:
        return sum(answer.value is None and not answer.is_not_counted for answer in self.answers if answer.at >= since)

    def longest_gap(self, since: float, replica: int | None = None) -> float:
        """The longest time without a value from any replica, or from this one, in seconds."""
        times = [
            answer.at
            for answer in self.answers
            if answer.value is not None and answer.at >= since and replica in (None, answer.replica)
        ]
        return max(after - before for before, after in zip([since, *times], times, strict=False))

    def check(self, before: int, after: int, since: float = 0.0) -> None:
        """No value is told twice, none that was told is lost, and nothing else counted but what is unknown."""
        assert miscounted(self.values(since), self.unknown(since), before, after) == []
        self._check_fetches(since)

    def _check_fetches(self, since: float) -> None:
        """Every count that was read has all in it that was told before."""
        told = sorted((answer.at, answer.value) for answer in self.answers if answer.value and answer.at >= since)
        largest = [0, *accumulate((value for _, value in told), max)]
        for fetch in self.fetches:
            if fetch.count is not None and fetch.began >= since:
                before = largest[bisect(told, (fetch.began, 0))]
                assert fetch.count >= before, f"{before} was told before {fetch}"


@dataclass(frozen=True)
class Running:
    """A replica and its client of etcd."""

    replica: Replica
    etcd: EtcdClient

    def member(self) -> int:
        """The ID of the member that answers it."""
        return int(patiently(lambda: self.etcd.read(counts.read_totals())).header.member_id)


@contextmanager
def replicas(
    endpoints: Sequence[Endpoint],
    count: int = 3,
    room: int = DEFAULT_ROOM,
    store_of: Callable[[EtcdClient], Store] = lambda etcd: etcd,
) -> Iterator[list[Running]]:
    """Replicas, each of which first asks another member. They are told to stop at the end."""
    with ExitStack() as stack:
        running = []
        for number in range(count):
            first = number % len(endpoints)
            etcd = stack.enter_context(closing(EtcdClient([*endpoints[first:], *endpoints[:first]])))
            store = store_of(etcd)
            sharing = stack.enter_context(closing(Sharing(store, "127.0.0.1", 0)))
            running.append(Running(stack.enter_context(closing(Replica(store, room=room, sharing=sharing))), etcd))
        yield running


class Load:
    """Clients that go on incrementing, some at each replica."""

    def __init__(self, running: Sequence[Running], clients: int = 4, *, with_keys: bool = False) -> None:
        self.history = History()
        self._running = running
        self._stopping = threading.Event()
        work = self._increment_with_keys if with_keys else self._increment
        tasks = [(do, number) for number in range(len(running)) for do in [*[work] * clients, self._fetch]]
        self._threads = ThreadPoolExecutor(len(tasks))
        self._done = [self._threads.submit(do, number) for do, number in tasks]

    def goes_on(self, answers: int = 30) -> None:
        """Wait until every replica has counted so many more."""
        seen = len(self.history.answers)

        def all_count() -> bool:
            counted = Counter(answer.replica for answer in self.history.answers[seen:] if answer.value is not None)
            return all(counted[number] >= answers for number in range(len(self._running)))

        wait_until(all_count, "every replica counts")

    def close(self) -> None:
        """Wait until every client has its answer."""
        self._stopping.set()
        for done in self._done:
            done.result(PATIENCE)
        self._threads.shutdown()

    def _fetch(self, number: int) -> None:
        """Read, not too often."""
        while not self._stopping.wait(FETCH_INTERVAL):
            began = time.monotonic()
            try:
                count = self._running[number].replica.fetch().result()
            except EtcdUnavailableError:
                count = None
            self.history.fetches.append(Fetch(number, began, count))

    def _increment(self, number: int) -> None:
        while not self._stopping.is_set():
            self.history.answers.append(ask(self._running[number].replica, number))

    def _increment_with_keys(self, number: int) -> None:
        """Repeat every increment, here and elsewhere, until it has a value."""
        while not self._stopping.is_set():
            key = uuid.uuid4().hex
            answer = ask(self._running[number].replica, number, key)
            end = time.monotonic() + PATIENCE
            while answer.value is None and time.monotonic() < end:
                elsewhere = random.randrange(len(self._running))
                answer = ask(self._running[elsewhere].replica, elsewhere, key)
            self.history.answers.append(answer)


def ask(replica: Replica, number: int, key: str | None = None) -> Answer:
    outcome = replica.increment(key).result()
    value = outcome.value if isinstance(outcome, Counted) else None
    return Answer(number, time.monotonic(), value, is_not_counted=outcome is Fate.NOT_COUNTED)


def count_of(endpoints: Sequence[Endpoint]) -> int:
    """The count, as etcd has it."""
    with closing(EtcdClient(endpoints)) as etcd:
        return counts.count_in(patiently(lambda: etcd.read(counts.read_totals())).kvs)


def all_keys(endpoints: Sequence[Endpoint]) -> Sequence[KeyValue]:
    """All keys in etcd, with their leases."""
    with closing(EtcdClient(endpoints)) as etcd:
        return list(patiently(lambda: etcd.read(RangeRequest(key=b"\0", range_end=b"\0"))).kvs)


def kept_keys(endpoints: Sequence[Endpoint]) -> set[bytes]:
    """All keys that no lease will delete."""
    return {pair.key for pair in all_keys(endpoints) if not pair.lease}


def shards(endpoints: Sequence[Endpoint]) -> set[str]:
    """The shards that there are."""
    return {keys.shard_of(pair.key) for pair in all_keys(endpoints) if pair.key.startswith(keys.SHARD_PREFIX)}


def patiently(call: Callable[[], _Answer]) -> _Answer:
    """Call until etcd answers."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except EtcdUnavailableError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
