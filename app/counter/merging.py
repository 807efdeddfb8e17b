"""Commits of several replicas, merged into one transaction.

etcd takes about as long for a transaction that commits the batches of three replicas as for one of them. It applies the
whole or nothing, so each replica may take its part for a transaction of its own, and all that makes one safe holds: a
batch is applied only if its shard still is what it was, and so once at most, however often and by whomever it is sent.

What is different: batches that are committed together have one revision. They count as if they had come one after the
other, in the order of their shards' keys; `history.py` finds the count after each of them by that.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from counter import transactions
from counter.events import Events
from counter.peers import PATIENCE
from counter.store import Store
from counter.transactions import Commit, Committed
from etcd import keys
from etcd.errors import EtcdRefusedError, EtcdUnavailableError

# How many batches a transaction has at most. etcd takes 128 operations: one for each batch, and one reads the count.
MOST = 100

# How long to wait for those who took part in the last transaction, as a part of the time which that took. Most come:
# they were answered together, and so were their clients.
GATHERING_SHARE = 2.0

# Seconds for which to wait at most: one who does not come back must not hold up the others.
LONGEST_GATHERING = 0.01

# Seconds for which a commit may wait for its transaction. Whoever sent it has given it up by then.
TOO_OLD = PATIENCE


def commit_together(store: Store, commits: Sequence[Commit]) -> list[Committed] | None:
    """Commit batches of different shards by one transaction.

    Returns what became of each, or None if none of them was applied by this, nor will be. Raises EtcdUnavailableError
    if nobody knows.
    """
    in_order = sorted(commits, key=lambda commit: keys.shard_key(commit.before.id))
    try:
        response = store.transact(transactions.commit_together(in_order))
    except EtcdRefusedError:
        return None
    last = transactions.committed_by(response)
    if last is None:
        return None
    committed = {}
    for commit in reversed(in_order):
        committed[commit] = last
        last = replace(last, count=None if last.count is None else last.count - commit.size)
    return [committed[commit] for commit in commits]


class _Waiting:
    """A commit, and a thread that waits for what becomes of it."""

    def __init__(self, commit: Commit, came: float) -> None:
        self.commit = commit
        self.came = came
        self.outcome: Committed | EtcdUnavailableError | None = EtcdUnavailableError("who was to send it failed")
        self.leads = False
        self.goes_on = threading.Lock()  # an Event would take several times as long
        self.goes_on.acquire()

    def result(self) -> Committed | None:
        if isinstance(self.outcome, EtcdUnavailableError):
            raise self.outcome
        return self.outcome


class Merger:
    """Commits whatever many threads want to commit, as much at once as there is. Safe for use by many threads.

    Of those who wait for the same transaction the first one sends it, for all. A thread of its own would have to be
    woken for that, and to wake them all.
    """

    def __init__(self, store: Store, events: Events | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._events = events or Events()
        self._clock = clock
        self._queue: list[_Waiting] = []
        self._changed = threading.Condition()
        self._is_led = False  # somebody sends a transaction, or is about to
        self._wanted = 1  # how many must wait before who leads is woken
        self._last = 1  # how many took part in the last transaction
        self._gathering = 0.0  # for how long to wait for as many
        self._is_closing = False

    def commit(self, commit: Commit) -> Committed | None:
        """Commit a batch, and maybe others with it. None: it was not applied by this, nor will be.

        Raises EtcdUnavailableError if nobody knows.
        """
        waiting = _Waiting(commit, self._clock())
        with self._changed:
            if self._is_closing:
                return None
            self._queue.append(waiting)
            if not self._is_led:
                self._is_led = waiting.leads = True
            elif len(self._queue) >= self._wanted:
                self._changed.notify_all()
        if not waiting.leads:
            waiting.goes_on.acquire()
        if waiting.leads:
            self._lead(waiting)
        return waiting.result()

    def __len__(self) -> int:
        """How many wait for the next transaction."""
        return len(self._queue)

    def close(self) -> None:
        """Commit what is there, and nothing that comes later."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._is_led)

    def _lead(self, leader: _Waiting) -> None:
        """Commit all that wait, once. The first of those who have come meanwhile leads the next time."""
        woken = self._gather()
        try:
            self._send(woken)
        finally:
            with self._changed:
                self._is_led = bool(self._queue)
                if self._queue:
                    self._queue[0].leads = True
                    woken = [*woken, self._queue[0]]
                self._changed.notify_all()
            for waiting in woken:
                if waiting is not leader:
                    waiting.goes_on.release()

    def _gather(self) -> list[_Waiting]:
        with self._changed:
            self._wanted = self._last
            self._changed.wait_for(lambda: len(self._queue) >= self._wanted or self._is_closing, self._gathering)
            self._wanted = MOST + 1
            merged, self._queue = self._queue[:MOST], self._queue[MOST:]
        return merged

    def _send(self, merged: Sequence[_Waiting]) -> None:
        began = self._clock()
        young = [waiting for waiting in merged if began - waiting.came < TOO_OLD]
        outcomes = self._commit([waiting.commit for waiting in young]) if young else []
        for waiting in merged:
            waiting.outcome = None
        for waiting, outcome in zip(young, outcomes, strict=True):
            waiting.outcome = outcome
        self._last = len(young)
        self._gathering = min(GATHERING_SHARE * (self._clock() - began), LONGEST_GATHERING)

    def _commit(self, commits: Sequence[Commit]) -> Sequence[Committed | EtcdUnavailableError | None]:
        try:
            committed = commit_together(self._store, commits)
        except EtcdUnavailableError as error:
            return [error] * len(commits)
        if committed is None:
            return [None] * len(commits)
        self._events.batches_merged(len(commits))
        return committed
