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
from concurrent.futures import Future
from dataclasses import dataclass, replace

from counter import keys, transactions
from counter.events import Events
from counter.store import EtcdRefusedError, EtcdUnavailableError, Store
from counter.transactions import Commit, Committed

# How many batches a transaction has at most. etcd takes 128 operations: one for each batch, and one reads the count.
MOST = 100

# How long to wait for those who took part in the last transaction, as a part of the time which that took. Most come:
# they were answered together, and so were their clients.
GATHERING_SHARE = 2.0

# Seconds for which to wait at most: one who does not come back must not hold up the others.
LONGEST_GATHERING = 0.01

# Seconds for which a commit may wait for its transaction. Whoever sent it has given it up by then.
TOO_OLD = 0.3


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


@dataclass(frozen=True)
class _Waiting:
    commit: Commit
    came: float
    done: Future[Committed | None]

    def is_too_old(self, now: float) -> bool:
        """Whether nobody waits for it any more. Then it is told that it was not applied."""
        if now - self.came < TOO_OLD:
            return False
        self.done.set_result(None)
        return True


class Merger:
    """Commits whatever many threads want to commit, as much at once as there is. Safe for use by many threads."""

    def __init__(self, store: Store, events: Events | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._events = events or Events()
        self._clock = clock
        self._queue: list[_Waiting] = []
        self._changed = threading.Condition()
        self._last = 1  # how many took part in the last transaction
        self._wanted = 1  # how many must be there before the thread is woken
        self._is_closing = False
        self._thread = threading.Thread(target=self._work, name="merge", daemon=True)
        self._thread.start()

    def commit(self, commit: Commit) -> Committed | None:
        """Commit a batch, and maybe others with it. None: it was not applied by this, nor will be.

        Raises EtcdUnavailableError if nobody knows.
        """
        waiting = _Waiting(commit, self._clock(), Future())
        with self._changed:
            if self._is_closing:
                return None
            self._queue.append(waiting)
            if len(self._queue) >= self._wanted:
                self._changed.notify()
        return waiting.done.result()

    def __len__(self) -> int:
        """How many wait for the next transaction."""
        return len(self._queue)

    def close(self) -> None:
        """Commit what is there, and nothing that comes later."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        gathering = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._is_closing)
                self._gather(gathering)
                merged, self._queue = self._queue[:MOST], self._queue[MOST:]
            if not merged:
                return
            began = self._clock()
            self._commit([waiting for waiting in merged if not waiting.is_too_old(began)])
            gathering = min(GATHERING_SHARE * (self._clock() - began), LONGEST_GATHERING)

    def _gather(self, seconds: float) -> None:
        self._wanted = self._last
        self._changed.wait_for(lambda: len(self._queue) >= self._wanted or self._is_closing, seconds)
        self._wanted = 1

    def _commit(self, merged: Sequence[_Waiting]) -> None:
        self._last = len(merged)
        if not merged:
            return
        try:
            committed = commit_together(self._store, [waiting.commit for waiting in merged])
        except EtcdUnavailableError as error:
            for waiting in merged:
                waiting.done.set_exception(error)
            return
        if committed:
            self._events.batches_merged(len(merged))
        for place, waiting in enumerate(merged):
            waiting.done.set_result(committed[place] if committed else None)
