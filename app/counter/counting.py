"""The counting protocol: how a replica counts, exactly, whatever fails.

The count is the sum of the totals of all shards and of the base. Every replica has a shard of its own, and so replicas
never wait for or retry against each other. All increments that wait at a replica are committed as one batch, by one
transaction: if the shard is still what this replica made it, add the batch to it, and read the sum. The sum is the
count after the batch, so its n increments have the n values that end there, and nobody else has these. The transaction
may be one of several replicas, made of a part for each (`merging.py`).

The trouble is a transaction without an answer: it may have been applied, or may be later. Then

- the same transaction is sent again, until there is an answer. It can't be applied twice: the first time changes the
  shard's revision, which the transaction compares. The shard's value names the batch that wrote it, so a refused one
  tells whether an earlier attempt was the one. If some of those who wait give up meanwhile, the rest is sent as a batch
  of its own, which fences off the one before: of all that compare the same revision only one can be applied;
- if the shard is gone - its owner seemed dead, and somebody folded it into the base - the fold has stored the count
  after the shard's last batch under that batch's number (`folding.py`). If none of ours is there, none was applied, and
  none can be any more: a shard's ID is never used again;
- if etcd's history is not the one we knew, because it was restored from a snapshot, nothing is known.

A keyed increment leaves a record in the same transaction, which compares that there is none. Whoever sends the key
again finds it. The record can't contain the value - that is known only afterwards - so the count after the batch is
stored with the next transaction, and only then is the value told: what was told once can be told again.

What must hold was explored with a model of all this (`tests/app/counter/test_counting_model.py` runs this very code).
One thread uses a Committer; the time limits of those who wait are theirs to keep.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from etcd3.etcdrpc import TxnRequest, TxnResponse  # type: ignore[import-untyped]  # ships no py.typed
from etcd3.etcdrpc.kv_pb2 import KeyValue  # type: ignore[import-untyped]

from counter import transactions
from counter.events import Events
from counter.history import count_after
from counter.records import RecordLeases
from counter.requests import Counted, Fate, Request, Waiting
from counter.store import Store
from counter.transactions import Commit, Committed, Result, Shard
from etcd import keys
from etcd.errors import EtcdRefusedError, EtcdUnavailableError, LeaseNotFoundError
from etcd.keys import Record, ShardValue

_log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")

# Seconds for which a shard outlives its owner's last sign of life.
OWNER_LEASE = 15

# etcd takes 128 comparisons or operations in one transaction; a keyed increment needs one of each.
MAX_KEYS = 100

# Seconds after which the lack of a result proves nothing: the lease that it was on may have ended.
RESULTS_ARE_KEPT = 12 * 3600


@dataclass(frozen=True)
class Batch:
    """Increments that are committed together. A number is never used twice in the life of a shard."""

    number: int
    requests: Sequence[Request]


@dataclass(frozen=True)
class _Untold:
    """Keyed increments that are counted, and the count after their batch, which is not stored yet."""

    result: Result
    requests: Sequence[tuple[Request, Record]]
    revision: int  # of the records


@dataclass
class Life:
    """One life of the own shard, from its birth until it is folded, lost, or left behind."""

    shard: Shard
    lease: int
    cluster: int  # etcd's ID of itself: another one has another history
    candidates: list[Batch] = field(default_factory=list)  # any of them, but only one, may have been applied
    in_doubt: bool = False  # whether an attempt at one of them went unanswered
    batches: int = 0
    untold: _Untold | None = None
    is_over: bool = False  # the shard is gone, as somebody else has noticed; between two batches

    def doubtful(self) -> Iterator[Request]:
        """The requests of all candidates."""
        return (request for batch in self.candidates for request in batch.requests)


class _GivenUpError(Exception):
    """Somebody no longer waits for an increment of a batch that is in doubt."""


def commit_alone(_: Commit) -> None:
    """Share no transaction: there is nobody to share with."""


class Committer:
    """Counts what waits, one transaction at a time."""

    def __init__(
        self,
        store: Store,
        waiting: Waiting,
        records: RecordLeases,
        pause: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        events: Events | None = None,
        share: Callable[[Commit], Committed | None] = commit_alone,
        address: str = "",
    ) -> None:
        """Make one that has no shard yet.

        Args:
            store: etcd.
            waiting: What is to be counted.
            records: Leases for the records of keyed increments.
            pause: Called before anything is sent again; may raise to have done with it.
            clock: Tells seconds.
            new_id: Must never return what it, or that of any other replica, has returned before.
            events: Is told what happens.
            share: Commits a batch without keys together with those of others, or returns None if it does not and never
                will. Raises EtcdUnavailableError if nobody knows.
            address: Where other replicas reach this one, to share.
        """
        self._store = store
        self._waiting = waiting
        self._records = records
        self._pause = pause
        self._clock = clock
        self._new_id = new_id
        self._events = events or Events()
        self._share = share
        self._address = address
        self.life: Life | None = None

    def step(self) -> None:
        """Count what waits now; with nothing to count, store what is not stored yet. Makes a shard if there is none."""
        if self.life and self.life.is_over:
            self._leave(self.life)
        life = self.life or self._be_born()
        requests = self._waiting.take(MAX_KEYS)
        try:
            if requests:
                self._count(life, requests)
            elif life.untold:
                self._store_result(life, life.untold)
        except (keys.UnreadableKeyError, EtcdRefusedError) as error:
            _log.error("it can't be found out what was counted: %s", error)
            self._history_is_gone(life)

    def _be_born(self) -> Life:
        while True:
            shard = self._new_id()
            try:
                lease = self._insist(lambda: self._store.grant_lease(OWNER_LEASE))
                response = self._insist(lambda: self._store.transact(transactions.birth(shard, lease, self._address)))  # noqa: B023
            except EtcdRefusedError as error:  # the lease has ended meanwhile, say
                _log.warning("no shard could be made: %s", error)
                self._pause()
                continue
            revision = response.header.revision
            if not response.succeeded:  # an attempt before this one was it
                born = transactions.shard_in(response.responses[0].response_range.kvs)
                if born is None:
                    continue
                revision = born.revision
            self.life = Life(Shard(shard, ShardValue(0, 0), revision), lease, response.header.cluster_id)
            return self.life

    def _count(self, life: Life, requests: Sequence[Request]) -> None:
        """Commit the requests and settle them. Those with a key that has a record already are left to the records."""
        started = self._clock()
        while requests or life.in_doubt:
            life.batches += 1
            batch = Batch(life.batches, requests)
            life.candidates.append(batch)
            try:
                response = self._commit(life, batch)
            except LeaseNotFoundError:
                continue
            except _GivenUpError:
                requests = [request for request in requests if not request.is_given_up]
                continue
            except EtcdRefusedError as error:
                _log.error("etcd does not count: %s", error)
                _settle(life.doubtful(), Fate.NOT_COUNTED, Fate.UNKNOWN)
                life.candidates = []
                return
            if isinstance(response, Committed):
                self._won(life, batch, response.revision, response.count, response.cluster)
                return
            requests = self._refused(life, batch, response, started)

    def _commit(self, life: Life, batch: Batch) -> Committed | TxnResponse:
        """Send a batch until etcd has decided on it. Returns what it came to, or the answer if it was refused.

        Raises LeaseNotFoundError if it must be sent on another lease of records, another EtcdRefusedError if no
        candidate was or will be applied, and _GivenUpError if somebody no longer waits for it.
        """
        commit = Commit(life.shard, ShardValue(life.shard.value.total + len(batch.requests), batch.number))
        records = [(request.key, record) for request, record in _records(life.shard.id, batch) if request.key]
        result = life.untold.result if life.untold else None
        lease = self._lease_for(life, len(records)) if records or result else 0
        while True:
            try:
                return self._send(commit, records, result, lease)
            except EtcdUnavailableError:
                self._doubt(life)
            except LeaseNotFoundError:
                self._records.forget(lease)
                raise
            except EtcdRefusedError:
                if not life.in_doubt:
                    raise
            self._pause()
            if any(request.is_given_up for request in batch.requests):
                raise _GivenUpError

    def _send(
        self, commit: Commit, records: Sequence[tuple[str, Record]], result: Result | None, lease: int
    ) -> Committed | TxnResponse:
        try:
            # A batch with keys has too much to compare and to put for others to fit beside it.
            committed = None if records or result else self._share(commit)
            response = committed or self._transact(transactions.commit(commit, records, result, lease))
        except EtcdUnavailableError:
            self._events.commit_ended("ambiguous")
            raise
        except EtcdRefusedError:
            self._events.commit_ended("refused")
            raise
        self._events.commit_ended("applied" if isinstance(response, Committed) else "refused")
        return response

    def _transact(self, commit: TxnRequest) -> Committed | TxnResponse:
        response = self._store.transact(commit)
        return transactions.committed_by(response) or response

    def _doubt(self, life: Life) -> None:
        if not life.in_doubt:
            self._events.doubt_arose()
        life.in_doubt = True

    def _resolve(self, life: Life) -> None:
        """It is known what became of each candidate."""
        if life.in_doubt:
            self._events.doubt_resolved()
        life.candidates = []
        life.in_doubt = False

    def _lease_for(self, life: Life, records: int) -> int:
        """A lease for the records. Raises EtcdRefusedError, but not for as long as a batch is in doubt."""
        while True:
            try:
                return self._insist(lambda: self._records.lease_for(records))
            except EtcdRefusedError:
                if not life.in_doubt:
                    raise
            self._pause()

    def _refused(self, life: Life, batch: Batch, response: TxnResponse, started: float) -> Sequence[Request]:
        """Find out why a commit was refused. Returns the requests to commit again; the others are settled, or wait for
        the next life."""
        found, *records = [part.response_range.kvs for part in response.responses]
        shard = transactions.shard_in(found)
        is_restored = response.header.cluster_id != life.cluster
        if shard and shard.revision == life.shard.revision and not is_restored:
            return self._without_recorded(life, batch, records)
        if not life.in_doubt:
            self._waiting.put_back(batch.requests)
            self._leave(life)
        elif is_restored:
            self._history_is_gone(life)
        elif shard is None:
            self._folded(life, started)
        else:
            self._decided(life, shard)
        return []

    def _without_recorded(self, life: Life, batch: Batch, records: Sequence[Sequence[KeyValue]]) -> Sequence[Request]:
        # Each batch before this one has all that this one has, and so is refused for the same key.
        self._resolve(life)
        keyed = [request for request in batch.requests if request.key is not None]
        recorded = {request for request, found in zip(keyed, records, strict=True) if found}
        for request in recorded:
            request.settle(Fate.IN_RECORDS)
        return [request for request in batch.requests if request not in recorded]

    def _decided(self, life: Life, shard: Shard) -> None:
        """An attempt that went unanswered has changed the shard; or a restore has set it back."""
        winner = next((batch for batch in life.candidates if batch.number == shard.value.batch), None)
        if winner is None:
            self._history_is_gone(life)
            return
        self._won(life, winner, shard.revision, self._count_at(life, shard.revision), life.cluster)

    def _won(self, life: Life, batch: Batch, revision: int, count: int | None, cluster: int) -> None:
        """This batch was applied, at this revision, and so no other candidate ever will be."""
        if life.untold:
            _tell(life.untold)
        others = {request for other in life.candidates if other is not batch for request in other.requests}
        self._resolve(life)
        life.untold = None
        life.shard = Shard(
            life.shard.id, ShardValue(life.shard.value.total + len(batch.requests), batch.number), revision
        )
        self._events.batch_counted(len(batch.requests))
        _tell_without_key(batch, count)
        records = _records(life.shard.id, batch)
        if records and count is not None:
            life.untold = _Untold(Result(life.shard.id, batch.number, count), records, revision)
        else:
            _leave_to_records(records)
        _settle(others.difference(batch.requests), Fate.NOT_COUNTED, Fate.IN_RECORDS)
        if cluster != life.cluster:
            self._leave(life)

    def _folded(self, life: Life, started: float) -> None:
        """The own shard was folded. Its last batch's number is stored with the count after it."""
        results = self._results(life)
        for batch in life.candidates:
            if results is not None and batch.number in results:
                self._events.batch_counted(len(batch.requests))
                _tell_without_key(batch, results[batch.number])
        none_was_applied = results is not None and self._clock() - started < RESULTS_ARE_KEPT
        _settle(life.doubtful(), Fate.NOT_COUNTED if none_was_applied else Fate.UNKNOWN, Fate.IN_RECORDS)
        if none_was_applied:
            self._resolve(life)
        self._leave(life)

    def _results(self, life: Life) -> dict[int, int | None] | None:
        """The counts after the own batches, by number, as far as they are stored. None if etcd was restored."""
        stored = {}
        for batch in life.candidates:
            key = keys.result_key(life.shard.id, batch.number)
            response = self._insist(lambda: self._store.read(transactions.read_key(key)))  # noqa: B023
            if response.header.cluster_id != life.cluster:
                return None
            for pair in response.kvs:
                stored[batch.number] = keys.parse_result(key, pair.value)
        return stored

    def _history_is_gone(self, life: Life) -> None:
        _settle(life.doubtful(), Fate.UNKNOWN, Fate.IN_RECORDS)
        self._leave(life)

    def _leave(self, life: Life) -> None:
        """Have done with this shard. If it is still there, its owner's lease will end, and somebody will fold it."""
        _log.info("the shard %s is not this replica's any more; it gets another one", life.shard.id)
        if life.untold:
            _leave_to_records(life.untold.requests)
        life.candidates = []
        life.in_doubt = False
        self.life = None

    def _store_result(self, life: Life, untold: _Untold) -> None:
        request, _ = untold.requests[0]
        assert request.key is not None
        lease = 0
        try:
            lease = self._records.lease_for(0)
            response = self._store.transact(
                transactions.store_result(untold.result, request.key, untold.revision, lease)
            )
        except LeaseNotFoundError:
            self._records.forget(lease)
            return  # it is tried again, or a commit takes it along
        except (EtcdUnavailableError, EtcdRefusedError):
            self._pause()
            return
        life.untold = None
        if response.succeeded:
            _tell(untold)
        else:
            _leave_to_records(untold.requests)

    def _count_at(self, life: Life, revision: int) -> int | None:
        """The count after the batch that the own shard got at a revision, or None if nobody can know it any more."""
        try:
            return self._insist(lambda: count_after(self._store, life.shard.id, revision, life.cluster))
        except keys.UnreadableKeyError:
            return None

    def _insist(self, call: Callable[[], _Answer]) -> _Answer:
        """Call until there is an answer. Raises EtcdRefusedError."""
        while True:
            try:
                return call()
            except EtcdUnavailableError:
                self._pause()


def _records(shard: str, batch: Batch) -> list[tuple[Request, Record]]:
    size = len(batch.requests)
    return [
        (request, Record(shard, batch.number, position, size))
        for position, request in enumerate(batch.requests)
        if request.key is not None
    ]


def _tell_without_key(batch: Batch, count: int | None) -> None:
    """Settle the requests without a key of a batch that was applied. `count` is the count after it, if it is known."""
    size = len(batch.requests)
    for position, request in enumerate(batch.requests):
        if request.key is None:
            request.settle(Fate.UNKNOWN if count is None else Counted(keys.nth_value(count, size, position)))


def _tell(untold: _Untold) -> None:
    count = untold.result.count
    assert count is not None
    for request, record in untold.requests:
        request.settle(Counted(record.value_in(count)))


def _leave_to_records(requests: Iterable[tuple[Request, Record]]) -> None:
    for request, _ in requests:
        request.settle(Fate.IN_RECORDS)


def _settle(requests: Iterable[Request], without_key: Fate, with_key: Fate) -> None:
    """Settle those that are not settled yet."""
    for request in requests:
        request.settle(without_key if request.key is None else with_key)
