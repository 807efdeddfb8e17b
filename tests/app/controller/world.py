"""Members, their launchers, controllers, backup and Kubernetes, run step by step in an order that the test chooses.

The decisions are the real code's: `controller.decide` and `member.starting`. Around them is a small world: volumes with
folders, members with as much of raft as membership needs, a StatefulSet, backup with its log. What may happen next is a
step with a name. After each step the rules are checked that must always hold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from controller import identity
from controller.actions import (
    Action,
    AddEntry,
    DeleteClaim,
    DeletePod,
    DisarmAlarms,
    MakeFile,
    PromoteEntry,
    PutEpoch,
    RemoveEntry,
    ScalePods,
)
from controller.conditions import quorum_of
from controller.decide import decide
from controller.decision import Decision
from controller.facts import Backup, Chain, Claim, Entry, Facts, Heard, Quorum, Running, Scale, Seen, changes_nothing
from controller.record import Cluster, Kind, Record, Request, Wish
from member.marker import Marker, State
from member.starting import (
    PATIENCE,
    Answer,
    Ask,
    Become,
    Confirm,
    File,
    Folder,
    Join,
    Make,
    Mark,
    Report,
    Restore,
    Save,
    Start,
    Wait,
    alone,
    told,
)
from member.starting import Step as LauncherStep
from tests.app.controller.raft import NOTHING, Data, History, Listed, leaders, may_lead

# What may happen: its name, and the function and its arguments that make it happen.
Step = tuple[str, Callable[..., None], tuple[Any, ...]]

STEP_SECONDS = 0.1

# Seconds in which a member that could be seen all the time may have been out of sight.
OUT_OF_SIGHT = 5.0

# Seconds of counting that a restore may lose where only a silent member has them: the log's last second, and those in
# which nobody saw the others.
_LOG_MAY_LACK = 8.0


class ViolationError(Exception):
    """Something happened that must never happen."""


@dataclass
class Faults:
    """How often something may go wrong in one schedule."""

    volumes: int = 0  # a volume is lost
    logs: int = 0  # a log is lost, and the marker stays
    restarts: int = 0
    outages: int = 0  # a node is cut off, with what runs on it
    deaths: int = 0  # a node is lost for good, with its volume
    kills: int = 0  # of a controller
    twins: int = 0  # a second controller
    lost: int = 0  # calls that are never carried out
    late: int = 0  # calls that are carried out at any time later
    unanswered: int = 0  # members that hear nothing for two seconds
    absences: int = 0  # of backup
    vaults: int = 0  # all snapshots are lost
    wishes: int = 0  # of a person
    withdrawals: int = 0
    replacements: int = 0  # a person says that a member is gone
    sizes: int = 0  # another number of members is wanted
    deletions: int = 0  # of the record
    corruptions: int = 0
    loops: int = 0
    pauses: int = 0  # time passes, and nothing happens in it
    deafness: int = 0  # a member is cut off from the others, and from nobody else
    minorities: int = 0  # of commits that only a quorum gets


@dataclass(eq=False)
class Disk:
    """A folder on a volume."""

    marker: Marker | None
    data: Data | None


@dataclass(eq=False)
class Volume:
    uid: str
    disk: Disk | None = None
    aside: Disk | None = None
    leaving: bool = False


@dataclass(eq=False)
class Pod:
    member: int
    uid: str
    volume: Volume
    away: bool = False
    dead: bool = False
    deaf: bool = False  # it answers, and gets nothing from the other members
    etcd: bool = False  # the launcher is not there any more
    etcd_since: float = 0.0
    steps: tuple[LauncherStep, ...] = ()
    asked: "Controller | None" = None
    reason: str = ""
    file: File | None = None
    confirmed: int = 0
    crashes: int = 0

    @property
    def data(self) -> Data | None:
        return self.volume.disk.data if self.volume.disk is not None else None


@dataclass(eq=False)
class Controller:
    name: str
    since: float
    heard: dict[int, Heard] = field(default_factory=dict)
    running: dict[int, Running] = field(default_factory=dict)
    last_sign: dict[int, float] = field(default_factory=dict)
    last_quorum: float | None = None
    watched: bool = False
    stage: str = "read"
    record: Record = Record()  # noqa: RUF009 - frozen
    version: int = 0
    looked: dict[str, Any] = field(default_factory=dict)
    decision: Decision | None = None
    todo: tuple[Action, ...] = ()


class World:
    """All of it, and the rules that must hold."""

    # Whether the record is written before anything is done about it.
    writes_first = True

    # Whether a controller forgets what members told it before it became the one that decides.
    forgets = True

    # Whether it forgets what a member told it when the answer may change that.
    drops_answered = True

    def __init__(self, size: int, faults: Faults, *, has_backup: bool = True) -> None:
        """Make a deployment whose members have never started."""
        self.faults = faults
        self.has_backup = has_backup
        self.now = 1000.0
        self.wanted = size
        self.ids = count(1)
        self.record = Record()
        self.version = 1
        self.replicas = size
        self.scale_version = 1
        self.volumes: dict[int, Volume] = {}
        self.pods: dict[int, Pod] = {}
        self.controllers: list[Controller] = []
        self.late: list[Action] = []
        self.backup_is_up = True
        self.chain: tuple[History, float] | None = None
        self.snapshots: dict[str, History] = {}
        self.files: list[File] = []
        self.contents: dict[str, History] = {}
        self.corrupt: set[int] = set()
        # The bookkeeping.
        self.taken: list[str] = []
        self.rows: set[str] = set()
        self.committed: dict[int, History] = {}  # by epoch
        self.lists: dict[int, tuple[Listed, ...]] = {}  # of members, by cluster
        self.started: dict[tuple[int, int], Disk] = {}
        self.told: dict[int, float] = {}  # each increment's bit, and when
        self.increments = 0
        self.newest_told = 0  # epoch
        self.added: int = 0  # entries that etcd gave
        self.says = ""
        self._is_late = False
        self.reconcile()

    def become_one_of_before(self) -> None:
        """Have it be of the version before: no markers, an empty record, no key `epoch`."""
        self.record = Record()
        self.controllers.clear()
        for pod in self.pods.values():
            disk = pod.volume.disk
            if disk is not None and disk.data is not None:
                disk.marker = None
                disk.data.history = disk.data.history._replace(key=None, counts=True)
                disk.data.committed = disk.data.history
        if self.chain is not None:
            self.chain = (self.chain[0]._replace(key=None, counts=True), self.chain[1])

    # Names

    def new_name(self, kind: str) -> str:
        return f"{kind}{next(self.ids)}"

    def new_token(self) -> str:
        return self.new_name("token")

    # What may happen next

    def steps(self) -> list[Step]:
        """All that may happen now without anything going wrong, always in the same order."""
        steps: list[Step] = []
        for member, pod in self.pods.items():
            if pod.dead:
                continue
            if pod.away:
                steps.append((f"node {member} is back", self._bring_back, (pod,)))
            if pod.deaf:
                steps.append((f"member {member} hears the others", self._set_deaf, (pod, False)))
            if not pod.etcd:
                steps += self._steps_of_launcher(member, pod)
        for index, controller in enumerate(self.controllers):
            steps.append((f"controller {index}: {controller.stage}", self.go_on, (controller,)))
        if not self.controllers:
            steps.append(("a controller starts", self.start_controller, ()))
        for away in (False, True):
            for leader in self.leaders(away):
                steps.append((f"{leader.entry % 1000:03} counts", self.count, (leader, away, True)))
        if self.has_backup:
            if not self.backup_is_up:
                steps.append(("backup is back", self._set_backup, (True,)))
            else:
                steps.append(("backup follows", self.follow, ()))
        if self._needs_kube():
            steps.append(("kubernetes acts", self.reconcile, ()))
        return steps

    def _steps_of_launcher(self, member: int, pod: Pod) -> list[Step]:
        if pod.steps:
            return [(f"member {member} does {type(pod.steps[0]).__name__}", self.do, (pod,))]
        if pod.away or not self.controllers:
            return [(f"member {member} is not answered", self._hear_nothing, (pod,))]
        if pod.asked is None:
            return [
                (f"member {member} asks {index}", self.ask, (pod, controller))
                for index, controller in enumerate(self.controllers)
            ]
        return []

    def mishaps(self) -> list[Step]:
        """All that may go wrong now, or come in between, always in the same order."""
        faults = self.faults
        steps: list[Step] = []
        for member, pod in self.pods.items():
            if pod.dead:
                continue
            if faults.volumes and pod.volume.disk is not None:
                steps.append((f"volume {member} is lost", self._lose_volume, (pod,)))
            if faults.logs and pod.data is not None:
                steps.append((f"log {member} is lost", self._lose_log, (pod,)))
            if faults.restarts:
                steps.append((f"member {member} restarts", self._restart_by_chance, (pod,)))
            if faults.outages and not pod.away:
                steps.append((f"node {member} is cut off", self._cut_off, (pod,)))
            if faults.deaths:
                steps.append((f"node {member} is lost", self._lose_node, (pod,)))
            if faults.unanswered and not pod.etcd and not pod.steps:
                steps.append((f"member {member} hears nothing", self._hear_nothing_by_chance, (pod,)))
            if faults.deafness and pod.etcd and not pod.deaf:
                steps.append((f"member {member} hears no other", self._deafen, (pod,)))
            if pod.etcd and pod.data is not None:
                if faults.corruptions and not self.corrupt:
                    steps.append((f"data {member} are damaged", self._damage, (pod.data,)))
                if faults.loops:
                    steps.append((f"member {member} loops", self._loop, (pod,)))
            if faults.replacements and (pod.away or pod.dead):
                steps.append((f"a person replaces {member}", self._replace, (member,)))
        if faults.deaths or faults.replacements:
            for member, pod in self.pods.items():
                if pod.dead:
                    steps.append((f"a person replaces {member}", self._replace, (member,)))
        steps += self._mishaps_of_controllers()
        steps += self._mishaps_of_backup()
        steps += self._mishaps_by_persons()
        if faults.minorities:
            for leader in self.leaders(False):
                steps.append((f"{leader.entry % 1000:03} counts with few", self.count, (leader, False, False)))
        if faults.pauses:
            for seconds in (4.0, 12.0, 65.0, 320.0, 700.0):
                steps.append((f"{seconds:.0f} s pass", self._pass, (seconds,)))
        return steps

    def _mishaps_of_controllers(self) -> list[Step]:
        steps: list[Step] = []
        for index, controller in enumerate(self.controllers):
            if self.faults.kills:
                steps.append((f"controller {index} is killed", self._kill, (controller,)))
                steps.append(
                    (f"controller {index} decides, and is killed before it acts", self._kill_late, (controller,))
                )
            if controller.todo and controller.stage == "act":
                what = type(controller.todo[0]).__name__
                if self.faults.lost:
                    steps.append((f"controller {index}: {what} is lost", self._lose_action, (controller,)))
                if self.faults.late:
                    steps.append((f"controller {index}: {what} is late", self._delay, (controller,)))
        if self.faults.twins and len(self.controllers) == 1:
            steps.append(("another controller starts", self._start_twin, ()))
        for index, action in enumerate(self.late):
            steps.append((f"late {index} is done: {type(action).__name__}", self.act_late, (action,)))
        return steps

    def _mishaps_of_backup(self) -> list[Step]:
        steps: list[Step] = []
        if self.has_backup:
            if self.faults.absences and self.backup_is_up:
                steps.append(("backup is away", self._leave_backup, ()))
            if self.faults.vaults and self.chain is not None:
                steps.append(("all snapshots are lost", self._lose_vault, ()))
        return steps

    def _mishaps_by_persons(self) -> list[Step]:
        faults = self.faults
        steps: list[Step] = []
        if faults.wishes:
            steps.append(("a person wants the newest", self._wish, (Wish.CONTINUE, "", -1)))
            steps.append(("a person wants nothing", self._wish, (Wish.EMPTY, "", -1)))
            for name in self.snapshots:
                steps.append((f"a person wants {name}", self._wish, (Wish.SNAPSHOT, name, -1)))
            steps.append(("a person wants member 1", self._wish, (Wish.MEMBER, "", 1)))
        if faults.withdrawals and self.record.request is not None:
            steps.append(("a person withdraws that", self._withdraw, ()))
        if faults.sizes:
            for size in (1, 3, 5):
                if size != self.wanted:
                    steps.append((f"{size} members are wanted", self._want, (size,)))
        if faults.deletions and self._says_its_epoch():
            steps.append(("the record is deleted", self._delete_record, ()))
        return steps

    def _says_its_epoch(self) -> bool:
        """Whether etcd itself knows which epoch it is. Before, nobody else knows what the record says."""
        cluster = self.record.cluster
        history = self.committed.get(cluster.epoch.number) if cluster is not None else None
        return history is not None and (history.key is not None or history.counts)

    def take(self, step: Step) -> None:
        name, function, arguments = step
        self.taken.append(name)
        self.now += STEP_SECONDS
        function(*arguments)

    # etcd

    def _present(self, away: bool) -> list[Pod]:
        return [pod for pod in self._answering(away) if not pod.deaf]

    def _answering(self, away: bool) -> list[Pod]:
        return [pod for pod in self.pods.values() if pod.etcd and pod.away is away and not pod.dead]

    def _clusters(self, away: bool) -> dict[int, list[Data]]:
        found: dict[int, list[Data]] = {}
        for pod in self.pods.values():
            disk = pod.volume.disk
            if pod.etcd and pod.away is away and not pod.deaf and not pod.dead and disk is not None:
                data = disk.data
                if data is not None:
                    found.setdefault(data.cluster, []).append(data)
        return found

    def leaders(self, away: bool) -> list[Data]:
        return [leader for present in self._clusters(away).values() for leader in leaders(present)]

    def _commit(self, leader: Data, away: bool, change: Callable[[History], History], everybody: bool = True) -> bool:
        """Have a member lead, and commit an entry. Returns whether it can."""
        present = self._clusters(away).get(leader.cluster, [])
        followers = may_lead(leader, present)
        if followers is None:
            return False
        before = leader.history
        former = self.committed.get(before.epoch)
        if former is not None and not before.extends(former):
            raise ViolationError(f"two quorums of epoch {before.epoch}")
        after = change(before.then(max(data.history.term for data in followers) + 1))
        known = {one.entry for one in (*before.listed, *after.listed)}
        if not everybody:
            others = [data for data in followers if data is not leader]
            present = [leader, *others[: quorum_of(len(before.voters())) - 1]]
        for data in present:
            if data.entry in known:
                data.history = after
                data.committed = before
        leader.committed = after
        self.committed[after.epoch] = after
        self.lists[leader.cluster] = after.listed
        listed = {one.entry for one in after.listed}
        if any(data.entry not in listed for data in present):
            self._end_removed(leader.cluster, listed, away)
        return True

    def _end_removed(self, cluster: int, listed: set[int], away: bool) -> None:
        for pod in self._present(away):
            if pod.data is not None and pod.data.cluster == cluster and pod.data.entry not in listed:
                self._restart(pod)
                pod.crashes += 1

    def count(self, leader: Data, away: bool, everybody: bool) -> None:
        history = leader.history
        if history.key is None and not history.counts:
            return
        bit = 1 << self.increments
        self.increments += 1
        if not self._commit(leader, away, lambda after: after._replace(content=after.content | bit), everybody):
            return
        epoch = history.key or history.epoch
        if epoch < self.newest_told:
            raise ViolationError(f"a count of epoch {epoch} is told after one of epoch {self.newest_told}")
        self.told[bit] = self.now
        self.newest_told = epoch

    def _damage(self, data: Data) -> None:
        self.faults.corruptions -= 1
        self.corrupt.add(data.entry)

    def _loop(self, pod: Pod) -> None:
        self.faults.loops -= 1
        for other in self.pods.values():
            other.etcd_since -= 1000
        self._restart(pod)
        pod.crashes = 9

    # Launchers

    def ask(self, pod: Pod, controller: Controller) -> None:
        pod.asked = controller
        controller.heard[pod.member] = Heard(self._report(pod), self.now)
        controller.last_sign[pod.member] = self.now

    def _report(self, pod: Pod) -> Report:
        is_corrupt = pod.data is not None and pod.data.entry in self.corrupt
        unusable = "its data are corrupt" if is_corrupt else ""
        return Report(pod.member, pod.uid, self._folder(pod), pod.file, unusable, pod.crashes)

    def _folder(self, pod: Pod) -> Folder | None:
        disk = pod.volume.disk
        return Folder(disk.marker, disk.data is not None) if disk is not None else None

    def _hear_nothing(self, pod: Pod) -> None:
        pod.asked = None
        pod.steps = self._without_asking(alone(self._folder(pod), PATIENCE))

    def _hear_nothing_by_chance(self, pod: Pod) -> None:
        self.faults.unanswered -= 1
        self._hear_nothing(pod)

    def _answer(self, pod: Pod, answer: Answer) -> None:
        pod.asked = None
        pod.steps = self._without_asking(told(self._folder(pod), answer, self.new_name("folder")))

    def _without_asking(self, steps: tuple[LauncherStep, ...]) -> tuple[LauncherStep, ...]:
        return tuple(step for step in steps if not isinstance(step, Ask))

    def do(self, pod: Pod) -> None:
        step, *rest = pod.steps
        pod.steps = tuple(rest)
        match step:
            case Wait():
                pod.reason = step.reason
            case Confirm():
                if not self._is_confirmed(pod, step.entry):
                    pod.steps = ()
            case Mark():
                self._mark(pod, step.marker)
            case Make():
                self._make(pod, step)
            case Become():
                self._become(pod, step.start)
            case Save():
                self._save(pod, step)

    def _is_confirmed(self, pod: Pod, entry: int) -> bool:
        listed = [one for other in self._answering(pod.away) if other.data for one in other.data.history.listed]
        entries = {one.entry for one in listed if one.member == pod.member}
        # That etcd hears of another one in the moment after this is not looked at.
        pod.confirmed = entry
        return entries == {entry}

    def _mark(self, pod: Pod, marker: Marker) -> None:
        if pod.volume.disk is not None:
            pod.volume.disk.marker = marker

    def _make(self, pod: Pod, step: Make) -> None:
        answer, data = step.answer, None
        if isinstance(answer, Restore):
            if not self._serves(answer.file):
                return
            data = self._restored(pod.member, answer)
        volume = pod.volume
        had_data = volume.disk is not None and volume.disk.data is not None and not _was_never_started(volume.disk)
        if had_data and (
            not isinstance(answer, Join) or volume.aside is None or _epoch_of(volume.aside) == answer.epoch
        ):
            volume.aside = volume.disk
        volume.disk = Disk(step.marker, data)
        pod.crashes = 0

    def _serves(self, file: File) -> bool:
        if self.backup_is_up and file in self.files:
            return True
        return any(pod.file == file and not pod.away and not pod.dead for pod in self.pods.values())

    def _restored(self, member: int, answer: Restore) -> Data:
        content = self.contents[answer.file.sha256]
        history = History(
            epoch=answer.epoch,
            term=1,
            entries=(),
            listed=_founders(answer.token, answer.members),
            content=content.content,
            revision=content.revision + answer.bump,
            key=answer.file.made_for,
        )
        cluster = identity.cluster_id(answer.token, answer.members)
        return Data(cluster, identity.member_id(answer.token, member), history, history)

    def _save(self, pod: Pod, step: Save) -> None:
        """A copy of the folder drops what the member does not know to be committed."""
        pod.reason = step.reason
        data = pod.data
        if data is None or data.entry in self.corrupt:
            return
        history = data.committed
        epoch = history.epoch or 1
        file = File(self.new_name("file"), step.epoch, f"member {pod.member}", epoch, history.revision)
        self.contents[file.sha256] = history
        pod.file = file

    def _become(self, pod: Pod, start: Start | None) -> None:
        disk = pod.volume.disk
        if disk is None:
            return
        if disk.data is None:
            disk.data = self._first_data(pod, start)
        data = disk.data
        if data is None:
            return
        former = self.started.setdefault((data.cluster, data.entry), disk)
        if former is not disk:
            raise ViolationError(f"member {pod.member} starts again as one that has started, without its data")
        pod.etcd = True
        pod.etcd_since = self.now
        pod.file = None
        pod.reason = ""

    def _first_data(self, pod: Pod, start: Start | None) -> Data | None:
        """What etcd begins with that finds nothing in its folder. None: it ends."""
        if start is None:
            return None
        if not start.entry:
            history = History(start.epoch, 1, (), _founders(start.token, start.members), 0, 1, None)
            cluster = identity.cluster_id(start.token, start.members)
            return Data(cluster, identity.member_id(start.token, pod.member), history, history)
        # Whoever answers first may be the one that knows least.
        present = [other.data for other in self._answering(pod.away) if other.data is not None]
        if pod.confirmed == start.entry:
            present = [data for data in present if any(one.entry == start.entry for one in data.history.listed)]
        for data in sorted(present, key=lambda data: data.history.rank):
            for one in data.history.listed:
                if one.member == pod.member:
                    nothing = NOTHING._replace(epoch=data.history.epoch)
                    return Data(data.cluster, one.entry, nothing, nothing)
        return None

    # Controllers

    def start_controller(self) -> None:
        controller = Controller(self.new_name("controller"), self.now)
        self.controllers.append(controller)

    def _start_twin(self) -> None:
        self.faults.twins -= 1
        self.start_controller()

    def _kill(self, controller: Controller) -> None:
        self.faults.kills -= 1
        self.end_controller(controller)

    def _kill_late(self, controller: Controller) -> None:
        """The moment at which the record says what nobody has done."""
        stages = 8
        while stages and controller.stage not in ("act", "answer_all"):
            self.go_on(controller)
            stages -= 1
        self._kill(controller)

    def end_controller(self, controller: Controller) -> None:
        self.controllers.remove(controller)
        for pod in self.pods.values():
            if pod.asked is controller:
                pod.asked = None

    def go_on(self, controller: Controller) -> None:
        getattr(self, f"_{controller.stage}")(controller)

    def _read(self, controller: Controller) -> None:
        controller.record, controller.version = self.record, self.version
        if controller.record.controller != controller.name:
            # What members told before may rest on what another controller answered them.
            self._write_record(replace(self.record, controller=controller.name))
            if self.forgets:
                controller.heard.clear()
                controller.last_sign.clear()
            controller.since = self.now
            controller.last_quorum = None
            for pod in self.pods.values():
                if pod.asked is controller:
                    pod.asked = None
            return
        controller.stage = "look"

    def _look(self, controller: Controller) -> None:
        """Ask a quorum, backup and Kubernetes."""
        quorum = self._quorum()
        for pod in self.pods.values():
            if pod.etcd and not pod.away and not pod.dead and pod.data is not None:
                controller.running[pod.member] = Running(pod.data.cluster, pod.data.entry, self.now)
                self._note_sign(controller, pod.member)
            elif pod.member in controller.running and controller.running[pod.member].at < self.now:
                del controller.running[pod.member]
            if pod.asked is controller:
                self._note_sign(controller, pod.member)
                heard = controller.heard.get(pod.member)
                if heard is not None:  # it still waits for the answer
                    controller.heard[pod.member] = replace(heard, at=self.now)
        if quorum is not None:
            controller.last_quorum, controller.watched = self.now, True
        controller.looked = {
            "quorum": quorum,
            "backup": self._backup(),
            "pods": {member: pod.uid for member, pod in self.pods.items()},
            "claims": {n: Claim(one.uid, leaving=one.leaving) for n, one in self.volumes.items()},
            "scale": Scale(self.replicas, str(self.scale_version)),
        }
        controller.stage = "decide"

    def _note_sign(self, controller: Controller, member: int) -> None:
        """Note that a member was seen, and whether it was out of sight for long."""
        last = controller.last_sign.get(member, controller.since)
        if self.now - last > OUT_OF_SIGHT:
            controller.watched = False
        controller.last_sign[member] = self.now

    def _quorum(self) -> Quorum | None:
        found = self.leaders(away=False)
        if not found:
            return None
        leader = found[0]
        if not self._commit(leader, False, lambda after: after):
            return None
        history = leader.history
        present = {pod.data.entry: pod for pod in self._present(False) if pod.data and pod.data.history is history}
        entries = tuple(
            Entry(
                id=one.entry,
                member=one.member,
                learner=one.learner,
                healthy=one.entry in present,
                healthy_since=present[one.entry].etcd_since if one.entry in present else 0.0,
            )
            for one in history.listed
        )
        corrupt = frozenset(self.corrupt.intersection(entry.id for entry in entries))
        return Quorum(self.now, leader.cluster, entries, leader.entry, corrupt, history.key)

    def _backup(self) -> Backup | None:
        if not self.has_backup or not self.backup_is_up:
            return None
        if self.chain is None:
            return Backup(self.now, None, bool(self.snapshots), 0, tuple(self.files))
        history, complete = self.chain
        chain = Chain(history.key or 1, history.revision, complete)
        return Backup(self.now, chain, True, history.key or 1, tuple(self.files))

    def _facts(self, controller: Controller) -> Facts:
        looked = controller.looked
        members = {}
        for member in {*range(max(self.wanted, self.replicas)), *looked["pods"], *looked["claims"]}:
            heard, running = controller.heard.get(member), controller.running.get(member)
            pod = looked["pods"].get(member, "")
            if heard is not None and (heard.report.pod != pod):
                heard = None
            if running is not None and heard is not None and heard.at > running.at:
                running = None
            silent_since = controller.last_sign.get(member, controller.since)
            members[member] = Seen(heard, running, silent_since, pod, looked["claims"].get(member))
        return Facts(
            now=self.now,
            wanted=self.wanted,
            members=members,
            quorum=looked["quorum"],
            has_backup=self.has_backup,
            backup=looked["backup"],
            last_quorum=controller.last_quorum,
            watched=controller.watched,
            scale=looked["scale"],
        )

    def _decide(self, controller: Controller) -> None:
        decision = decide(controller.record, self._facts(controller), self.new_token())
        controller.decision, controller.todo = decision, decision.actions
        if self.writes_first and decision.record is not None:
            controller.stage = "write"
        else:
            controller.stage = "act" if decision.actions else "answer_all"
        self.rows.add(decision.row)
        self.says = f"{decision.row}: {decision.says}"

    def _write(self, controller: Controller) -> None:
        decision = controller.decision
        if decision is None or decision.record is None:
            raise AssertionError
        if self.version != controller.version:
            controller.stage = "read"
            return
        self._check(decision.record, decision.row)
        self._write_record(decision.record)
        if not self.writes_first:
            controller.stage = "read"
        else:
            controller.stage = "act" if controller.todo else "answer_all"

    def _write_record(self, record: Record) -> None:
        self.record = record
        self.version += 1

    def _act(self, controller: Controller) -> None:
        action, *rest = controller.todo
        controller.todo = tuple(rest)
        decided_on = controller.decision.record if controller.decision is not None else None
        self._is_late = self.record is not (decided_on or controller.record)
        self._carry_out(action)
        self._is_late = False
        if not controller.todo:
            controller.stage = "answer_all"

    def _answer_all(self, controller: Controller) -> None:
        decision = controller.decision
        if decision is not None:
            for member, answer in decision.answers.items():
                pod = self.pods.get(member)
                heard = controller.heard.get(member)
                if pod is not None and pod.asked is controller and heard and heard.report.pod == pod.uid:
                    self._answer(pod, answer)
                    if self.drops_answered and not changes_nothing(answer):
                        del controller.heard[member]
        if not self.writes_first and decision is not None and decision.record is not None:
            controller.stage = "write"
        else:
            controller.stage = "read"

    def _lose_action(self, controller: Controller) -> None:
        self.faults.lost -= 1
        controller.todo = controller.todo[1:]
        controller.stage = "act" if controller.todo else "answer_all"

    def _delay(self, controller: Controller) -> None:
        self.faults.late -= 1
        self.late.append(controller.todo[0])
        controller.todo = controller.todo[1:]
        controller.stage = "act" if controller.todo else "answer_all"

    def act_late(self, action: Action) -> None:
        self.late.remove(action)
        self._is_late = True
        self._carry_out(action)
        self._is_late = False

    def _carry_out(self, action: Action) -> None:
        match action:
            case DeletePod():
                self._delete_pod(action)
            case DeleteClaim():
                volume = self.volumes.get(action.member)
                if volume is not None and volume.uid == action.uid:
                    volume.leaving = True
            case ScalePods():
                if action.version == str(self.scale_version):
                    self.replicas, self.scale_version = action.replicas, self.scale_version + 1
            case MakeFile():
                self._make_file(action)
            case _:
                self._call_etcd(action)

    def _call_etcd(self, action: Action) -> None:
        for leader in self.leaders(away=False):
            if self._is_refused(leader, action):
                continue
            could = self._own_quorum()
            self._commit(leader, False, lambda after: self._after(after, action))
            if could and not self._own_quorum():
                raise ViolationError(f"{action} costs the quorum")
            return

    def _after(self, history: History, action: Action) -> History:
        """The history after what etcd was asked to do."""
        listed = history.listed
        match action:
            case RemoveEntry():
                return history._replace(listed=tuple(one for one in listed if one.entry != action.entry))
            case AddEntry():
                self.added += 1
                return history._replace(listed=(*listed, Listed(self.added, action.member, action.learner)))
            case PromoteEntry():
                promoted = (one._replace(learner=False) if one.entry == action.entry else one for one in listed)
                return history._replace(listed=tuple(promoted))
            case PutEpoch():
                return history._replace(key=action.number)
            case DisarmAlarms():
                self.corrupt.discard(action.entry)
        return history

    def _is_refused(self, leader: Data, action: Action) -> bool:
        """What etcd does not do: strict-reconfig-check, a learner that lags, a compare that fails."""
        history = leader.history
        entries = {one.entry: one for one in history.listed}
        voters = history.voters()
        present = {data.entry: data for data in self._clusters(False)[leader.cluster]}
        active = [entry for entry in voters if entry in present]
        match action:
            case RemoveEntry():
                one = entries.get(action.entry)
                if one is None:
                    return True
                return not one.learner and one.entry in active and len(active) - 1 < quorum_of(len(voters) - 1)
            case AddEntry():
                if any(one.member == action.member for one in history.listed):
                    return True
                return not action.learner and len(voters) > 1 and len(active) < quorum_of(len(voters) + 1)
            case PromoteEntry():
                one = entries.get(action.entry)
                data = present.get(action.entry)
                return one is None or not one.learner or data is None or data.history is not history
            case PutEpoch():
                return history.key is not None or (action.before_counting and history.content != 0)
        return False

    def _make_file(self, action: MakeFile) -> None:
        if not self.backup_is_up:
            return
        if action.made_of == "chain":
            history = self.chain[0] if self.chain is not None else None
        else:
            history = self.snapshots.get(action.made_of.removeprefix("snapshot "))
        if history is None:
            return
        epoch = history.key or 1
        file = File(self.new_name("file"), action.epoch, action.made_of, epoch, history.revision)
        self.contents[file.sha256] = history
        self.files.append(file)

    # Kubernetes

    def _needs_kube(self) -> bool:
        return any(member not in self.pods for member in range(self.replicas)) or any(
            member >= self.replicas for member in self.pods
        )

    def reconcile(self) -> None:
        """Have as many pods as replicas."""
        for member in [member for member in self.pods if member >= self.replicas and not self.pods[member].dead]:
            if not self.pods[member].away:
                self._check_surplus(member)
                self._remove_pod(member)
        for member, volume in list(self.volumes.items()):
            if volume.leaving and member not in self.pods:
                del self.volumes[member]
        for member in range(self.replicas):
            if member not in self.pods:
                if member not in self.volumes:
                    self.volumes[member] = Volume(self.new_name("claim"))
                self.pods[member] = Pod(member, self.new_name("pod"), self.volumes[member])

    def _check_surplus(self, member: int) -> None:
        cluster = self.record.cluster
        if cluster is None or self.record.open_request() is not None:
            return
        for leader in self.leaders(away=False):
            if leader.cluster == cluster.epoch.cluster and any(
                one.member == member and not one.learner for one in leader.history.listed
            ):
                raise ViolationError(f"pod {member} goes before its entry")

    def _remove_pod(self, member: int) -> None:
        del self.pods[member]
        if member in self.volumes and self.volumes[member].leaving:
            del self.volumes[member]

    def _delete_pod(self, action: DeletePod) -> None:
        pod = self.pods.get(action.member)
        if pod is None or pod.uid != action.pod:
            return
        if (pod.away or pod.dead) and not action.force:
            return  # until its node says that it is gone
        had = self._own_quorum()
        self._remove_pod(action.member)
        # One that is late is a restart at a bad moment, no more.
        if had and not self._is_late and not self._own_quorum() and self.record.open_request() is None:
            raise ViolationError(f"pod {action.member} is deleted, and the quorum needed it")
        self.reconcile()

    def _own_quorum(self) -> bool:
        cluster = self.record.cluster
        return cluster is not None and any(
            leader.cluster == cluster.epoch.cluster for leader in self.leaders(away=False)
        )

    # Backup

    def follow(self) -> None:
        """The log gets all that a quorum has."""
        for leader in self.leaders(away=False):
            if leader.history.key is None and not leader.history.counts:
                continue  # which epoch that is, nobody can know
            if self.chain is not None and (leader.history.key or 1) < (self.chain[0].key or 1):
                continue
            if not self._commit(leader, False, lambda after: after):
                continue
            history = leader.history
            if self.chain is None or history.epoch != self.chain[0].epoch:
                self.snapshots[self.new_name("snapshot")] = history
            self.chain = (history, self.now)

    def _set_backup(self, is_up: bool) -> None:
        self.backup_is_up = is_up

    def _leave_backup(self) -> None:
        self.faults.absences -= 1
        self.backup_is_up = False

    def _lose_vault(self) -> None:
        self.faults.vaults -= 1
        self.chain = None
        self.snapshots.clear()
        self.files.clear()

    # Faults

    def _restart(self, pod: Pod) -> None:
        pod.etcd = False
        pod.steps = ()
        pod.asked = None
        pod.file = None
        pod.reason = ""

    def _restart_by_chance(self, pod: Pod) -> None:
        self.faults.restarts -= 1
        self._restart(pod)

    def _lose_volume(self, pod: Pod) -> None:
        self.faults.volumes -= 1
        pod.volume.disk = pod.volume.aside = None
        self._restart(pod)

    def _lose_log(self, pod: Pod) -> None:
        self.faults.logs -= 1
        if pod.volume.disk is not None:
            pod.volume.disk.data = None
        self._restart(pod)

    def _cut_off(self, pod: Pod) -> None:
        self.faults.outages -= 1
        pod.away = True
        pod.asked = None

    def _deafen(self, pod: Pod) -> None:
        self.faults.deafness -= 1
        self._set_deaf(pod, True)

    def _set_deaf(self, pod: Pod, is_deaf: bool) -> None:
        pod.deaf = is_deaf

    def _bring_back(self, pod: Pod) -> None:
        pod.away = False

    def _lose_node(self, pod: Pod) -> None:
        self.faults.deaths -= 1
        self._restart(pod)
        pod.volume.disk = pod.volume.aside = None
        pod.dead = True

    def _pass(self, seconds: float) -> None:
        self.faults.pauses -= 1
        self.now += seconds

    # Persons

    def _wish(self, wish: Wish, snapshot: str, member: int) -> None:
        self.faults.wishes -= 1
        self.ask_for(wish, snapshot, member)

    def ask_for(self, wish: Wish, snapshot: str = "", member: int = -1) -> None:
        request = Request(self.new_name("request"), wish, snapshot, member)
        self._write_record(replace(self.record, request=request))

    def _replace(self, member: int) -> None:
        self.faults.replacements -= 1
        self.ask_for(Wish.REPLACE, member=member)

    def delete_by_force(self, member: int) -> None:
        """A person deletes a pod and its claim, because the node is gone for good."""
        pod = self.pods.get(member)
        if pod is not None and pod.dead:
            pod.volume.leaving = True
            self._remove_pod(member)
            self.reconcile()

    def delete_claim(self, member: int) -> None:
        """A person deletes the claim of a pod that is not there any more."""
        self.volumes.pop(member, None)

    def _withdraw(self) -> None:
        self.faults.withdrawals -= 1
        self._write_record(replace(self.record, request=None))

    def _want(self, size: int) -> None:
        self.faults.sizes -= 1
        self.wanted = size

    def _delete_record(self) -> None:
        self.faults.deletions -= 1
        self._write_record(Record())

    # The rules

    def _check(self, record: Record, row: str) -> None:
        """Check what the record is to say next."""
        cluster, former = record.cluster, self.record.cluster
        self._check_changes(cluster, former)
        if cluster is None or row == "adopt":
            return
        if former is not None and cluster.epoch.number == former.epoch.number:
            return
        request = self.record.open_request()
        self._check_nobody_could_go_on()
        self._forget_what_left_no_trace(cluster.epoch.number)
        source = cluster.epoch.source
        if source.sha256:
            kept = self.contents[source.sha256].content
            if request is None or request.wish in (Wish.CONTINUE, Wish.REPLACE):
                self._check_nothing_is_left_out(kept, request)
        else:
            kept = 0
            if self.chain is None and not self._disks_with_data():
                # Nobody can know that there was something: no record, no volume, no snapshot.
                self.committed.clear()
                self.newest_told = 0
            if self.told and (request is None or request.wish is not Wish.EMPTY) and self._is_anything_left():
                raise ViolationError("an epoch begins with nothing, and something had been counted")
        # What is not kept is gone, and replicas know by the epoch.
        self.told = {bit: at for bit, at in self.told.items() if bit & kept}

    def _check_changes(self, cluster: Cluster | None, former: Cluster | None) -> None:
        """A change of the membership begins only when the one before is done."""
        if cluster is None or former is None or former.change is None or cluster.epoch.number != former.epoch.number:
            return
        if cluster.change == former.change:
            return
        change, listed = former.change, self.lists[former.epoch.cluster]
        is_done = {
            Kind.REMOVE: all(one.entry != change.entry for one in listed),
            Kind.ADD: any(one.member == change.member for one in listed),
            Kind.PROMOTE: all(one.entry != change.entry or not one.learner for one in listed),
        }
        if not is_done[change.kind]:
            raise ViolationError("two changes of the membership at once")

    def _forget_what_left_no_trace(self, epoch: int) -> None:
        """Where record, volumes and snapshots of an epoch are gone, its number may be used again: nobody can know."""
        if self.record.cluster is not None:
            return
        left = {data.history.epoch for data in self._disks_with_data()}
        if self.chain is not None:
            left.add(self.chain[0].epoch)
        for number in [number for number in self.committed if number >= epoch and number not in left]:
            del self.committed[number]
        self.newest_told = min(self.newest_told, max([epoch, *left]))

    def _check_nobody_could_go_on(self) -> None:
        """No quorum of any epoch before can come back by itself, or with an answer that is on its way."""
        loose: dict[int, list[Data]] = {}
        for pod in self.pods.values():
            disk = pod.volume.disk
            if pod.dead or disk is None:
                continue
            starts = pod.etcd or any(isinstance(step, Become) for step in pod.steps)
            marker = disk.marker
            if not starts and marker is not None and marker.state is not State.STARTED:
                continue
            data = disk.data
            if data is None:
                start = next((step.start for step in pod.steps if isinstance(step, Become)), None)
                data = self._first_data(pod, start)
            if data is not None:
                loose.setdefault(data.cluster, []).append(data)
        for present in loose.values():
            if leaders(present):
                raise ViolationError("an epoch begins while a quorum of the one before could go on")

    def _check_nothing_is_left_out(self, kept: int, request: Request | None) -> None:
        """Whatever was told and is still there, is kept."""
        for pod in self.pods.values():
            data = pod.data
            if data is None or pod.dead or data.entry in self.corrupt:
                continue
            if request is not None and (request.wish is Wish.CONTINUE or request.member == pod.member):
                continue
            left_out = data.committed.content & ~kept
            for bit, at in self.told.items():
                if bit & left_out and not self._may_be_left_out(pod, at):
                    raise ViolationError(f"an epoch begins without what member {pod.member} has, and told")
        in_chain = self.chain[0].content if self.backup_is_up and self.chain is not None else 0
        if any(bit & in_chain & ~kept for bit in self.told):
            raise ViolationError("an epoch begins without what backup has, and was told")

    def _may_be_left_out(self, pod: Pod, at: float) -> bool:
        is_silent = pod.away or pod.asked is None
        return is_silent and self.chain is not None and at - self.chain[1] <= _LOG_MAY_LACK

    def _is_anything_left(self) -> bool:
        contents = [data.history.content for data in self._disks_with_data()]
        if self.chain is not None:
            contents.append(self.chain[0].content)
        return any(contents)

    def _disks_with_data(self) -> list[Data]:
        disks = [disk for one in self.volumes.values() for disk in (one.disk, one.aside)]
        return [disk.data for disk in disks if disk is not None and disk.data is not None]


def _founders(token: str, members: Sequence[int]) -> tuple[Listed, ...]:
    return tuple(Listed(identity.member_id(token, member), member, False) for member in members)


def _was_never_started(disk: Disk) -> bool:
    return disk.marker is not None and disk.marker.state is State.MADE


def _epoch_of(disk: Disk) -> int:
    return disk.marker.epoch if disk.marker is not None else 1
