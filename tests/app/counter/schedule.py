"""Several replicas and one etcd, run step by step: the real code of the protocol, in an order that the test chooses.

Everything that calls etcd - committers, folders, keepers of leases, clients with keys - is a process: a greenlet that
stops at each call. What may happen next is a step with a name: a request arrives, a call is applied, its reply comes or
is lost, a lease ends, a replica crashes, etcd is compacted or restored. After each step the bookkeeping compares what
etcd holds and what clients were told with the increments that really took place.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, count
from typing import Any

from etcd3.etcdrpc import TxnRequest  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
from greenlet import getcurrent, greenlet

from counter.counting import Committer
from counter.folding import fold_orphans, fold_own
from counter.lookup import increment_once
from counter.merging import commit_together
from counter.ownership import keep
from counter.records import RECORD_LIFE, RecordLeases
from counter.requests import Counted, Fate, Outcome, Request, Waiting
from counter.transactions import Commit, Committed
from etcd import counts, keys
from etcd.errors import EtcdRefusedError, EtcdUnavailableError
from tests.app.counter.in_memory_etcd import InMemoryEtcd, Snapshot

Identity = str | Request  # an increment with a key is the same increment wherever it is asked for

# What may happen: its name, and the function and its arguments that make it happen.
Step = tuple[str, Callable[..., None], tuple[Any, ...]]

CALM_STEPS = 3000

HALF_A_DAY = 12 * 3600 + 1


class ViolationError(Exception):
    """Something happened that must never happen."""


@dataclass
class Faults:
    """How often something may go wrong in one schedule."""

    timeouts: int = 0
    give_ups: int = 0
    expiries: int = 0
    folds: int = 0
    crashes: int = 0
    snapshots: int = 0
    restores: int = 0
    compactions: int = 0
    pauses: int = 0
    stops: int = 0
    refusals: int = 0  # etcd says no to a call, or to a lease
    lapses: int = 0  # of leases for records, of replicas that paused too long before they used them
    half_days: int = 0  # with all that was under way still under way


@dataclass(eq=False)
class Call:
    """A call on its way: made, maybe applied, maybe answered."""

    name: str
    perform: Callable[[], Any]
    counts: Sequence[Request]
    commit: Commit | None = None  # of one that may be committed together with others
    epoch: int = 0  # of the history in which it was applied
    told: frozenset[Identity] = frozenset()  # whose values had been told then
    answer: tuple[str, Any] | None = None

    @property
    def may_be_late(self) -> bool:
        """Whether it matters that it may be applied when nobody waits for it any more."""
        return self.name in ("transact", "share")


class Process:
    """Code that stops at each call to etcd, and where it waits until it is ready to go on."""

    def __init__(
        self, name: str, replica: "Replica", run: Callable[["Process"], None], is_ready: Callable[[], bool]
    ) -> None:
        self.name = name
        self.replica = replica
        self.is_ready = is_ready
        self.call: Call | None = None
        self.epoch = 0  # of the last reply that it got
        self.told: frozenset[Identity] = frozenset()  # whose values had been told when that was made
        self._greenlet = greenlet(lambda _: run(self))
        self._outside = getcurrent()

    @property
    def is_over(self) -> bool:
        return bool(self._greenlet.dead)

    def go_on(self, answer: tuple[str, Any] | None = None) -> None:
        """Run until the next call, the next wait, or the end."""
        self.call = None
        self._greenlet.switch(answer)

    def wait(self) -> None:
        self._outside.switch()

    def ask(self, call: Call) -> Any:  # noqa: ANN401 - the answer to any call
        self.call = call
        kind, value = self._outside.switch()
        if kind == "raised":
            raise value
        return value


@dataclass(eq=False)
class Replica:
    waiting: Waiting
    records: RecordLeases
    committer: Committer
    is_stopping: bool = False
    is_paused: bool = False

    def has_work(self) -> bool:
        return self.is_stopping or self.committer.life is None or self.committer.life.is_over or self.has_to_count()

    def has_to_count(self) -> bool:
        life = self.committer.life
        return self.waiting.has_some() or (life is not None and life.untold is not None)


@dataclass(eq=False)
class Increment:
    """What a client asks for, and what it is told."""

    key: str | None
    replica: Replica
    request: Request  # the last that was made of it
    asking: Process | None = None  # the client, if it has a key
    outcome: Outcome | None = None
    is_lost: bool = False  # the replica crashed, and nobody tells the client anything


class World:
    """All of it, and the rules that must hold."""

    def __init__(
        self, arrivals: Sequence[tuple[str | None, int]], replicas: int, faults: Faults, *, shares: bool = False
    ) -> None:
        """Make all replicas, which have done nothing yet.

        Args:
            arrivals: The increments: each with its key, if it has one, and the replica that is asked.
            replicas: How many there are.
            faults: What may go wrong.
            shares: Whether batches are committed together.
        """
        self.etcd = InMemoryEtcd()
        self.faults = faults
        self.shares = shares
        self.epoch = 0
        self.arrivals = list(arrivals)
        self.late: list[Call] = []
        self.increments: list[Increment] = []
        self.counted: dict[Identity, int] = {}
        self.told: dict[Identity, int] = {}
        self.not_counted: set[Identity] = set()
        self.is_restore_bumped = True
        self.taken: list[str] = []  # the names of all steps so far
        self.now = 0.0
        self._is_lease_refused = False
        self._records_leases: list[int] = []
        self._snapshot: tuple[Snapshot, dict[Identity, int], dict[Identity, int]] | None = None
        self._ids = count()
        self._settled_in: dict[Request, int] = {}
        self._orphans_at: tuple[int, int] = (0, 0)
        self._orphaned: list[bytes] = []
        self.running: dict[str, Process] = {}
        self.replicas = [self._replica(number) for number in range(replicas)]

    # What may happen next

    def steps(self) -> list[Step]:
        """All that may happen now without anything going wrong, always in the same order."""
        steps: list[Step] = []
        for key, number in dict.fromkeys(self.arrivals):
            steps.append((f"{key or 'plain'} arrives at {number}", self._arrive, (key, number)))
        for name, process in self.running.items():
            call = process.call
            if process.replica.is_paused:
                continue
            if call is None:
                if process.is_ready():
                    steps.append((name, self._run, (process,)))
            elif call.answer is None:
                steps.append((f"{name}: {call.name} applied", self._apply, (call,)))
            else:
                steps.append((f"{name}: {call.name} answered", self._answer, (process, call)))
        may_fold = self.faults.folds and self._orphans()
        for number, replica in enumerate(self.replicas):
            if replica.is_paused:
                continue
            if may_fold and f"fold {number}" not in self.running:
                steps.append((f"fold {number}", self._fold, (number, replica)))
            life = replica.committer.life
            if (
                life
                and life.lease not in self.etcd.leases
                and not life.is_over
                and f"keep {number}" not in self.running
            ):
                steps.append((f"keep {number}", self._keep, (number, replica)))
        for index, call in enumerate(self.late):
            steps.append((f"late {index} is applied", self._apply_late, (call,)))
        for together in self._shared():
            names = " and ".join(name for name, _ in together)
            steps.append((f"{names}: committed together", self._apply_together, ([call for _, call in together],)))
        return steps or self._resumptions()

    def mishaps(self) -> list[Step]:
        """All that may go wrong now, or come in between, always in the same order."""
        faults = self.faults
        steps: list[Step] = []
        for name, process in self.running.items():
            call = process.call
            if call is None or process.replica.is_paused:
                continue
            if faults.timeouts:
                steps.append((f"{name}: {call.name} lost", self._lose, (process, call)))
            if faults.refusals and call.answer is None:
                steps.append((f"{name}: {call.name} refused", self._refuse, (call,)))
        if faults.give_ups:
            for index, increment in enumerate(self.increments):
                if self._is_waiting(increment):
                    steps.append((f"client {index} gives up", self._give_up, (increment,)))
        if faults.expiries:
            for index, lease in enumerate(self._owners()):
                steps.append((f"owner {index} seems gone", self._expire, (lease,)))
        if faults.lapses:
            for index, lease in enumerate(self._unused_leases()):
                steps.append((f"records {index} lapse", self._lapse, (lease,)))
        for number, replica in enumerate(self.replicas):
            if faults.crashes:
                steps.append((f"crash {number}", self._crash, (number,)))
            if faults.pauses and not replica.is_paused:
                steps.append((f"pause {number}", self._pause, (replica,)))
                steps.append((f"sleep {number}", self._sleep, (replica,)))
            if faults.stops and not replica.is_stopping:
                steps.append((f"stop {number}", self._stop, (replica,)))
        if faults.refusals and not self._is_lease_refused:
            steps.append(("the next lease is refused", self._refuse_lease, ()))
        if self.counted:
            if faults.snapshots:
                steps.append(("snapshot", self._take_snapshot, ()))
            if faults.compactions:
                steps.append(("compact", self._compact, ()))
            if faults.half_days:
                steps.append(("half a day passes", self._pass_half_a_day, ()))
        if faults.restores and self._snapshot:
            steps.append(("restore", self._restore, ()))
        return steps + self._resumptions()

    def _resumptions(self) -> list[Step]:
        return [
            (f"resume {number}", self._resume, (replica,))
            for number, replica in enumerate(self.replicas)
            if replica.is_paused
        ]

    def take(self, step: Step) -> None:
        name, action, arguments = step
        self.taken.append(name)
        action(*arguments)

    def _is_waiting(self, increment: Increment) -> bool:
        return increment.outcome is None and increment.request.outcome is None and not increment.is_lost

    # The steps

    def new_id(self) -> str:
        return f"s{next(self._ids):03}"

    def _replica(self, number: int) -> Replica:
        waiting = Waiting()
        store = _ScheduledStore(self)
        records = RecordLeases(store, clock=lambda: self.now)
        committer = Committer(
            store, waiting, records, _no_pause, clock=lambda: self.now, new_id=self.new_id, share=store.share
        )
        replica = Replica(waiting, records, committer)

        def commit(process: Process) -> None:
            store.process = process
            process.wait()
            while not replica.is_stopping or replica.has_to_count():
                committer.step()
                if not replica.is_stopping:
                    process.wait()
            while committer.life and not _tried(partial(fold_own, store, committer.life)):
                pass

        store.counts = lambda: _counted_by(committer)
        self._start(f"commit {number}", replica, commit, replica.has_work)
        return replica

    def _arrive(self, key: str | None, number: int) -> None:
        self.arrivals.remove((key, number))
        replica = self.replicas[number]
        increment = Increment(key, replica, Request())
        self.increments.append(increment)
        if key is None:
            replica.waiting.add(increment.request)
        else:
            name = f"client {len(self.increments) - 1}"
            self._start(
                name, replica, partial(self._ask, increment, key), lambda: increment.request.outcome is not None
            )

    def _ask(self, increment: Increment, key: str, process: Process) -> None:
        increment.asking = process

        def wait(request: Request) -> Outcome:
            increment.request = request
            while request.outcome is None:
                process.wait()
            return request.outcome

        store = _ScheduledStore(self, process)
        try:
            replica = increment.replica
            increment.outcome = increment_once(store, replica.records, replica.waiting, key, wait)
        except (EtcdUnavailableError, EtcdRefusedError):
            increment.outcome = Fate.UNKNOWN

    def _give_up(self, increment: Increment) -> None:
        self.faults.give_ups -= 1
        increment.outcome = increment.replica.waiting.give_up(increment.request)
        if increment.asking:
            del self.running[increment.asking.name]
        if increment.key is None and increment.outcome is Fate.NOT_COUNTED:
            self.not_counted.add(increment.request)

    def _fold(self, number: int, replica: Replica) -> None:
        self.faults.folds -= 1

        def fold(process: Process) -> None:
            store = _ScheduledStore(self, process)
            try:
                for _ in fold_orphans(store, replica.records):
                    pass
            except (EtcdUnavailableError, EtcdRefusedError):
                return

        self._start(f"fold {number}", replica, fold)

    def _keep(self, number: int, replica: Replica) -> None:
        life = replica.committer.life
        assert life is not None

        def keep_life(process: Process) -> None:
            try:
                keep(_ScheduledStore(self, process), life, "")
            except (EtcdUnavailableError, EtcdRefusedError):
                return

        self._start(f"keep {number}", replica, keep_life)

    def _start(
        self, name: str, replica: Replica, run: Callable[[Process], None], is_ready: Callable[[], bool] = lambda: True
    ) -> None:
        process = Process(name, replica, run, is_ready)
        self.running[name] = process
        self._run(process)

    def _run(self, process: Process, answer: tuple[str, Any] | None = None) -> None:
        process.go_on(answer)
        self._observe(process)
        if process.is_over:
            del self.running[process.name]
            if process.name.startswith("commit"):
                self._replace(self.replicas.index(process.replica))

    def _refuse(self, call: Call) -> None:
        self.faults.refusals -= 1
        call.answer = ("returned", None) if call.commit else ("raised", EtcdRefusedError("for no reason"))
        call.epoch = self.epoch
        call.told = frozenset(self.told)

    def _apply(self, call: Call) -> None:
        if call.commit:
            self._apply_together([call])
            return
        try:
            result = call.perform()
        except EtcdRefusedError as error:
            call.answer = ("raised", error)
        else:
            call.answer = ("returned", result)
            if call.name == "transact":
                self._check_written(call.counts if result.succeeded else ())
        call.epoch = self.epoch
        call.told = frozenset(self.told)

    def _apply_together(self, calls: Sequence[Call]) -> None:
        self.late = [call for call in self.late if call not in calls]
        commits = {call: call.commit for call in calls if call.commit}
        results = commit_together(self.etcd, list(commits.values()))
        in_order = sorted(commits.items(), key=lambda item: item[1].before.id)
        self._check_written([request for call, _ in in_order for request in call.counts] if results else ())
        for place, call in enumerate(commits):
            call.answer = ("returned", results and results[place])
            call.epoch = self.epoch
            call.told = frozenset(self.told)

    def _answer(self, process: Process, call: Call) -> None:
        if call.answer and call.answer[0] == "returned":  # an error does not say which history it is of
            process.epoch, process.told = call.epoch, call.told
        self._run(process, call.answer)

    def _lose(self, process: Process, call: Call) -> None:
        self.faults.timeouts -= 1
        if call.answer is None and call.may_be_late:
            self.late.append(call)
        self._run(process, ("raised", EtcdUnavailableError("timed out")))

    def _apply_late(self, call: Call) -> None:
        self.late.remove(call)
        self._apply(call)

    def _crash(self, number: int) -> None:
        self.faults.crashes -= 1
        self._replace(number)

    def _pause(self, replica: Replica) -> None:
        self.faults.pauses -= 1
        replica.is_paused = True

    def _sleep(self, replica: Replica) -> None:
        """A pause for so long that the replica seems gone."""
        self._pause(replica)
        if replica.committer.life:
            self.etcd.expire(replica.committer.life.lease)

    def _resume(self, replica: Replica) -> None:
        replica.is_paused = False

    def _stop(self, replica: Replica) -> None:
        """Have a replica count what waits, fold its shard, and end."""
        self.faults.stops -= 1
        replica.is_stopping = True

    def _replace(self, number: int) -> None:
        """A replica ends, and another one takes its place."""
        replica = self.replicas[number]
        for process in [process for process in self.running.values() if process.replica is replica]:
            del self.running[process.name]
            if process.call and process.call.answer is None and process.call.may_be_late:
                self.late.append(process.call)
        for increment in self.increments:
            if increment.replica is replica and increment.outcome is None:
                increment.is_lost = True
        self.replicas[number] = self._replica(number)

    def _expire(self, lease: int) -> None:
        self.faults.expiries -= 1
        self.etcd.expire(lease)

    def _take_snapshot(self) -> None:
        self.faults.snapshots -= 1
        self._snapshot = self.etcd.snapshot(), dict(self.counted), dict(self.told)

    def _restore(self) -> None:
        self.faults.restores -= 1
        assert self._snapshot is not None
        snapshot, self.counted, self.told = self._snapshot
        self._snapshot = None
        self.etcd.restore(snapshot, bump=self.is_restore_bumped)
        self.epoch += 1
        self.late = []  # what was cancelled ended with the members that it was sent to

    def _compact(self) -> None:
        self.faults.compactions -= 1
        self.etcd.compact()

    def _lapse(self, lease: int) -> None:
        self.faults.lapses -= 1
        self.etcd.expire(lease)

    def _pass_half_a_day(self) -> None:
        self.faults.half_days -= 1
        self.now += HALF_A_DAY

    def _refuse_lease(self) -> None:
        self.faults.refusals -= 1
        self._is_lease_refused = True

    def grant_lease(self, seconds: int) -> int:
        if self._is_lease_refused:
            self._is_lease_refused = False
            raise EtcdRefusedError("no lease")
        lease = self.etcd.grant_lease(seconds)
        if seconds == RECORD_LIFE:
            self._records_leases.append(lease)
        return lease

    # What there is

    def _shared(self) -> Iterator[Sequence[tuple[str, Call]]]:
        """All that may be committed together: two batches, or all that are on their way."""
        sent = [(name, process.call) for name, process in self.running.items() if process.call]
        sent += [(f"late {index}", call) for index, call in enumerate(self.late)]
        shared = [(name, call) for name, call in sent if call.commit and call.answer is None]
        yield from combinations(shared, 2)
        if len(shared) > 2:
            yield shared

    def total(self) -> int:
        """The count as etcd has it."""
        pairs = self.etcd.pairs
        return counts.count_in(pair for key, pair in pairs.items() if key.startswith(keys.COUNT_PREFIX))

    def _owners(self) -> list[int]:
        """The leases of owners, in the order in which these were born."""
        owners = [pair for key, pair in self.etcd.pairs.items() if key.startswith(keys.OWNER_PREFIX)]
        return [owner.lease for owner in sorted(owners, key=lambda owner: owner.create_revision)]

    def _unused_leases(self) -> list[int]:
        """The leases for records that no record is on yet."""
        used = {pair.lease for pair in self.etcd.pairs.values()}
        return [lease for lease in self._records_leases if lease in self.etcd.leases and lease not in used]

    def _orphans(self) -> list[bytes]:
        now = (self.etcd.cluster, self.etcd.revision)
        if self._orphans_at != now:
            pairs = self.etcd.pairs
            shards = [key for key in pairs if key.startswith(keys.SHARD_PREFIX)]
            self._orphaned = [key for key in shards if keys.owner_key(keys.shard_of(key)) not in pairs]
            self._orphans_at = now
        return self._orphaned

    # The rules

    def _check_written(self, counts: Sequence[Request]) -> None:
        """Look at etcd after a transaction that counts these."""
        total = self.total()
        for position, request in enumerate(counts):
            identity = request.key or request
            if identity in self.counted:
                raise ViolationError("an increment is counted twice")
            if identity in self.not_counted:
                raise ViolationError("an increment is counted that was told 'not counted'")
            self.counted[identity] = keys.nth_value(total, len(counts), position)
        if total != len(self.counted):
            raise ViolationError(f"the count is {total}, but there were {len(self.counted)} increments")

    def _observe(self, process: Process) -> None:
        """Look at what the process that ran last has told clients."""
        for increment in self.increments:
            request = increment.request
            if request.outcome is not None and request not in self._settled_in:
                self._settled_in[request] = process.epoch
                if increment.key is None and increment.outcome is None and not increment.is_lost:
                    increment.outcome = request.outcome
                    self._check_told(increment, request.outcome, process.epoch, process)
            if increment.key and process is increment.asking and increment.outcome is not None:
                is_direct = increment.outcome is request.outcome
                epoch = self._settled_in[request] if is_direct else process.epoch
                self._check_told(increment, increment.outcome, epoch, process)

    def _check_told(self, increment: Increment, outcome: Outcome, epoch: int, process: Process) -> None:
        identity = increment.key or increment.request
        if outcome is Fate.NOT_COUNTED:
            if identity in self.counted:
                raise ViolationError("an increment is told 'not counted', but is counted")
            self.not_counted.add(identity)
        elif epoch != self.epoch:
            return  # told of a history that is gone: the restore has made it void
        elif outcome is Fate.VALUE_LOST and identity in process.told:
            raise ViolationError("a value that was told can't be told again")
        elif isinstance(outcome, Counted):
            if self.counted.get(identity) != outcome.value:
                raise ViolationError(f"told {outcome.value}, but it is {self.counted.get(identity)}")
            for other, value in self.told.items():
                if (other == identity) != (value == outcome.value):
                    raise ViolationError("two increments were told the same value, or one two")
            self.told[identity] = outcome.value

    def play(self, schedule: Sequence[str]) -> None:
        """Take these steps. "NAME ..." stands for all of NAME's calls, each applied and answered, until it has nothing
        to do; "NAME to CALL" for those until CALL is what it asks for. Raises KeyError if a step is not possible now.
        """
        for line in schedule:
            name, is_until, call = line.partition(" to ")
            if line.endswith(" ..."):
                self._follow(line.removesuffix(" ..."))
            elif is_until:
                self._follow(name, until=f"{name}: {call} applied")
            else:
                self.take({step[0]: step for step in self.steps() + self.mishaps()}[line])

    def _follow(self, name: str, until: str | None = None) -> None:
        started = False
        while True:
            own = [step for step in self.steps() if step[0].partition(":")[0] == name]
            # A process that starts anew would never end.
            if not own or own[0][0] == until or (started and own[0][0] == name and name.startswith("fold")):
                return
            self.take(own[0])
            started = True

    def calm_down(self) -> None:
        """Let everything that is under way end, without further faults; then look at the whole."""
        self.faults = Faults(folds=CALM_STEPS)
        for _ in range(CALM_STEPS):
            steps = self.steps()
            if not steps:
                break
            # Requests and folds last, so that what is under way ends first.
            self.take(min(steps, key=lambda step: step[1] in (self._arrive, self._fold)))
        else:
            raise ViolationError("it never ends")
        if any(increment.outcome is None and not increment.is_lost for increment in self.increments):
            raise ViolationError("a client is never told anything")
        if self._orphans():
            raise ViolationError("a shard without an owner stays")
        self._check_written(())


class _ScheduledStore:
    """etcd as a process sees it: the process stops at each call."""

    def __init__(self, world: World, process: Process | None = None) -> None:
        self._world = world
        self.process = process
        self.counts: Callable[[], Sequence[Request]] = lambda: ()

    def transact(self, request: TxnRequest) -> Any:  # noqa: ANN401 - the messages have no types
        return self._ask("transact", request, counts=self.counts())

    def share(self, commit: Commit) -> Committed | None:
        if not self._world.shares:
            return None
        assert self.process is not None
        committed: Committed | None = self.process.ask(Call("share", _nothing, self.counts(), commit))
        return committed

    def read(self, request: Any) -> Any:  # noqa: ANN401 - the messages have no types
        return self._ask("read", request)

    def grant_lease(self, seconds: int) -> int:
        # That is no step of its own: all that matters of a lease is who has one, and that there may be none to have.
        return self._world.grant_lease(seconds)

    def keep_alive(self, lease: int) -> bool:
        return bool(self._ask("keep_alive", lease))

    def database_size(self) -> int:
        return 0

    def revoke_lease(self, lease: int) -> None:
        self._world.etcd.revoke_lease(lease)

    def _ask(self, method: str, argument: Any, counts: Sequence[Request] = ()) -> Any:  # noqa: ANN401
        assert self.process is not None
        return self.process.ask(Call(method, lambda: getattr(self._world.etcd, method)(argument), counts))


def _counted_by(committer: Committer) -> Sequence[Request]:
    """The increments that a committer's transaction counts: those of its newest batch, if it is a commit."""
    life = committer.life
    if life is None or not life.candidates:
        return ()
    return life.candidates[-1].requests


def _no_pause() -> None:
    """In a schedule there is no time."""


def _nothing() -> None:
    """What is shared is performed by whoever commits it."""


def _tried(work: Callable[[], bool]) -> bool:
    try:
        return work()
    except (EtcdUnavailableError, EtcdRefusedError):
        return False
