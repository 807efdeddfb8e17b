"""One replica at work: threads that count what waits, keep the shard owned and fold those of replicas that are gone."""

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from counter.budget import DEFAULT_ROOM, Budget
from counter.counting import Committer, Life, commit_alone
from counter.deadlines import Deadlines
from counter.events import Events
from counter.folding import fold_orphans, fold_own
from counter.lookup import increment_once
from counter.ownership import keep
from counter.reads import Reads
from counter.records import RecordLeases
from counter.requests import Fate, Outcome, Request, Waiting
from counter.sharing import Sharing
from counter.store import Store
from counter.work import Work
from etcd import counts, keys
from etcd.errors import EtcdRefusedError, EtcdUnavailableError

_log = logging.getLogger(__name__)

# Seconds for which a client is kept waiting. Longer than etcd takes to elect a leader after it lost one, so that
# increments outlast that.
PATIENCE = 3.0

# Seconds between two looks for clients that have waited for long enough.
EXPIRY_INTERVAL = 0.1

# How long to wait for more increments, as a part of the time that a commit takes. With fifty clients of three replicas
# this makes batches of 16 instead of 4, and nearly twice as many increments a second; as long as a commit is too long.
GATHERING_SHARE = 0.5

# Seconds for which to wait at most: after a commit that took seconds, many clients have gone elsewhere.
LONGEST_GATHERING = 0.01

# How many increments with keys are under way at once. Each needs a thread, for it may have to look its key up.
KEYED_AT_ONCE = 32

# Seconds between two signs of life: a third of the lease. After one that went unanswered the next follows sooner.
KEEP_INTERVAL = 5.0
KEEP_AGAIN_INTERVAL = 1.0

# Seconds between two looks for shards without an owner, more or less.
FOLD_INTERVAL = 5.0

# Seconds after which what went unanswered is sent again.
RETRY_INTERVAL = 0.1

# Seconds for which a replica that is told to stop tries to settle what is under way.
SETTLING_TIME = 10.0


class Replica:
    """The count that all replicas share. Safe for use by many threads; none is held while an increment waits."""

    def __init__(
        self,
        store: Store,
        patience: float = PATIENCE,
        events: Events | None = None,
        room: int = DEFAULT_ROOM,
        sharing: Sharing | None = None,
    ) -> None:
        """Start to count. Clients wait for `patience` seconds. `room`: see Budget. Without `sharing` each batch is
        committed alone."""
        self._patience = patience
        self._store = store
        self._events = events or Events()
        self._waiting = Waiting()
        self._deadlines = Deadlines(self._waiting, patience)
        self._records = RecordLeases(store)
        self._budget = Budget(room)
        self._keyed = ThreadPoolExecutor(KEYED_AT_ONCE, thread_name_prefix="keyed")
        self._fetches = Reads(lambda: counts.count_in(store.read(counts.read_totals()).kvs), patience)
        self._stopping = threading.Event()
        self._given_up = threading.Event()
        self._sharing = sharing
        self._address = sharing.address if sharing else ""
        self._committer = Committer(
            store,
            self._waiting,
            self._records,
            self._pause,
            events=self._events,
            share=sharing.commit if sharing else commit_alone,
            address=self._address,
        )
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in [
                ("commit", self._commit),
                ("own", self._own),
                ("fold", self._fold),
                ("expire", self._expire),
            ]
        ]
        for thread in self._threads:
            thread.start()

    def increment(self, key: str | None = None) -> Work[Outcome]:
        """Count one. With a key it is counted once, and answered the same each time. The outcome is there in time.

        A repeat with the same key is safe after any outcome.
        """
        if key is None:
            request = Request()
            self._deadlines.add(request)
            self._waiting.add(request)
            return request
        if not self._budget.spend():
            refused: Future[Outcome] = Future()
            refused.set_result(Fate.NO_ROOM)
            return refused
        return self._keyed.submit(self._increment_once, key, time.monotonic() + self._patience)

    def fetch(self) -> Future[int]:
        """Read the count, with every increment in it that was answered before this call.

        The future raises EtcdUnavailableError, EtcdRefusedError and UnreadableKeyError.
        """
        return self._fetches.ask()

    def owns_shard(self) -> bool:
        """Whether there is a shard to count in."""
        return self._committer.life is not None

    def waiting(self) -> int:
        """How many increments are in no batch yet."""
        return len(self._waiting)

    def close(self) -> None:
        """Count what still waits, fold the own shard, and stop. Takes SETTLING_TIME at most."""
        deadline = time.monotonic() + SETTLING_TIME
        self._stopping.set()
        self._waiting.wake()
        self._threads[0].join(SETTLING_TIME)
        self._given_up.set()
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        self._deadlines.expire(math.inf)
        self._fetches.close()
        self._keyed.shutdown(wait=False)

    def _increment_once(self, key: str, deadline: float) -> Outcome:
        def wait(request: Request) -> Outcome:
            return request.wait(deadline - time.monotonic()) or self._waiting.give_up(request)

        try:
            return increment_once(self._store, self._records, self._waiting, key, wait)
        except (EtcdUnavailableError, EtcdRefusedError, keys.UnreadableKeyError) as error:
            _log.warning("the records can't be read: %s", error)
            return Fate.UNKNOWN

    # The threads

    def _commit(self) -> None:
        try:
            while not self._stopping.is_set() or self._waiting.has_some() or self._owes_results():
                began = time.monotonic()
                self._committer.step()
                if not self._owes_results():
                    self._wait_for_clients(time.monotonic() - began)
            self._leave()
        except _StoppedError:
            _log.warning("stopped while etcd did not answer; others will fold what is left here")

    def _wait_for_clients(self, committing: float) -> None:
        """Wait until there is something to count; then, for some of the time that the last commit took, for all of
        those who have just been told a value: most come back at once, and a commit costs the same for many."""
        clients = self._waiting.under_way()
        self._waiting.wait(KEEP_INTERVAL, or_until=self._stopping.is_set)
        self._waiting.gather(clients, min(GATHERING_SHARE * committing, LONGEST_GATHERING))

    def _owes_results(self) -> bool:
        life = self._committer.life
        return life is not None and life.untold is not None

    def _leave(self) -> None:
        """Give the shard to the base and the lease back, so that nobody has to wait for them."""
        life = self._committer.life
        if life is None:
            return
        while not self._tried("fold the own shard", lambda: fold_own(self._store, life)):
            self._pause()
        self._tried("give the lease back", lambda: self._store.revoke_lease(life.lease))

    def _own(self) -> None:
        is_kept = True
        while not self._stopping.wait(KEEP_INTERVAL if is_kept else KEEP_AGAIN_INTERVAL):
            life = self._committer.life
            if life is not None and not life.is_over:
                is_kept = self._tried("keep the shard owned", lambda: self._keep(life))  # noqa: B023

    def _keep(self, life: Life) -> bool:
        keep(self._store, life, self._address)
        return True

    def _expire(self) -> None:
        while not self._given_up.wait(EXPIRY_INTERVAL):
            self._deadlines.expire(time.monotonic())

    def _fold(self) -> None:
        while True:
            self._tried("fold", self._fold_all)
            self._tried("find the other replicas", self._find_replicas)
            self._tried("see how full etcd is", self._look_for_room)
            if self._stopping.wait(FOLD_INTERVAL * random.uniform(0.8, 1.2)):
                return

    def _fold_all(self) -> bool:
        for shard in fold_orphans(self._store, self._records):
            self._events.shard_folded(shard.value.total)
            _log.info("the shard %s had no owner; its %d are in the base now", shard.id, shard.value.total)
        return True

    def _find_replicas(self) -> bool:
        """Each replica owns a shard."""
        owners = self._store.read(counts.read_prefix(keys.OWNER_PREFIX)).kvs
        self._budget.share(len(owners))
        if self._sharing:
            self._sharing.meet(owners)
        return True

    def _look_for_room(self) -> bool:
        size = self._store.database_size()
        if self._budget.see(size):
            if self._budget.is_full:
                _log.warning("etcd's database has %d bytes: no increments with keys are taken until it has fewer", size)
            else:
                _log.info("etcd's database has %d bytes: increments with keys are taken again", size)
        return True

    def _tried(self, what: str, work: Callable[[], object]) -> bool:
        """Whether it worked. It is tried again later if not."""
        try:
            return bool(work())
        except EtcdUnavailableError:
            return False  # the log has it from etcd's client
        except (EtcdRefusedError, keys.UnreadableKeyError) as error:
            _log.warning("can't %s: %s", what, error)
            return False

    def _pause(self) -> None:
        """Wait before something is sent again. Raises _StoppedError when there is no more time, or nothing to do."""
        has_nothing = self._committer.life is None and not self._waiting.has_some()
        if self._given_up.wait(RETRY_INTERVAL) or (self._stopping.is_set() and has_nothing):
            raise _StoppedError


class _StoppedError(Exception):
    """The replica was told to stop, and there is no time left for settling what is under way, or no need."""
