"""The controller at work: it reads the record, looks around, decides, writes the decision down, acts and answers.

Two may be at work at once, on a node that was thought dead: so each writes its name into the record first, and a
decision counts only if the record is still the one that it was made from.
"""

import logging
import secrets
import threading
import time
from dataclasses import dataclass, field, replace

from controller.actions import Action, DeleteClaim, DeletePod, MakeFile, ScalePods
from controller.decide import decide
from controller.decision import Decided, Decision
from controller.facts import Backup, Facts, Heard, Running, Seen
from controller.hearing import Hearing
from controller.members import Look, Members
from controller.metrics import Metrics
from controller.record import Record, RecordError
from controller.surroundings import BackupAccess, Kubernetes, Objects, UnavailableError, Written
from member.addresses import MOST_MEMBERS

_log = logging.getLogger(__name__)

# Seconds between two passes where nobody asks. What a quorum says must be asked for every two (facts.Facts.watched).
PASS_INTERVAL = 0.5

# Seconds in which a member that could be seen all the time may have been out of sight.
_OUT_OF_SIGHT = 5.0

_TOKEN_BYTES = 16


@dataclass
class _Memory:
    """What one controller remembers besides what the record says.

    Attributes:
        since: Since when it decides.
        running: What each member's etcd said last.
        last_sign: When each member was seen or heard last.
        last_quorum: When a quorum answered last.
        watched: See facts.Facts.
    """

    since: float
    running: dict[int, Running] = field(default_factory=dict)
    last_sign: dict[int, float] = field(default_factory=dict)
    last_quorum: float | None = None
    watched: bool = False

    def note_sign(self, member: int, now: float) -> None:
        """Note that a member was seen, and whether it was out of sight for long."""
        if now - self.last_sign.get(member, self.since) > _OUT_OF_SIGHT:
            self.watched = False
        self.last_sign[member] = now


@dataclass(frozen=True)
class _Around:
    """What was found in one pass."""

    wanted: int
    objects: Objects
    look: Look
    backup: Backup | None
    heard: dict[int, Heard]


class Controller:
    """One controller. `pass_once` is for one thread.

    Attributes:
        decided: What it decided last.
    """

    def __init__(
        self,
        name: str,
        kubernetes: Kubernetes,
        members: Members,
        backup: BackupAccess | None,
        hearing: Hearing,
        metrics: Metrics,
    ) -> None:
        """Decide as `name`, which no other controller has. `backup`: None: there is none in this deployment."""
        self._name = name
        self._kubernetes = kubernetes
        self._members = members
        self._backup = backup
        self._hearing = hearing
        self._metrics = metrics
        self.decided = Decided()
        self._memory = _Memory(time.time())
        self._said = ""
        self._actions: tuple[Action, ...] = ()
        self._ended: dict[int, tuple[str, str]] = {}

    def run(self, stopping: threading.Event) -> None:
        """Pass after pass, until told to stop."""
        while not stopping.is_set():
            try:
                self.pass_once()
            except (UnavailableError, RecordError) as error:
                self.decided.trouble = f"nothing is decided: {error}"
                self._say(f"nothing is decided: {error}", logging.WARNING)
            self._hearing.wait(PASS_INTERVAL)

    def pass_once(self) -> None:
        """Decide once, and act on it. Raises UnavailableError and RecordError."""
        written = self._kubernetes.read()
        if written.record.controller != self._name:
            self._take_over(written)
            return
        around = self._look_around(written.record)
        decision = decide(written.record, self._facts(around), secrets.token_hex(_TOKEN_BYTES))
        if decision.record is not None and not self._kubernetes.write(decision.record, written.version):
            return  # somebody else wrote it meanwhile
        self.decided.decision, self.decided.trouble = decision, ""
        self._say_what(decision)
        self._metrics.decided(decision, decision.record or written.record, around.look.quorum)
        self._act(decision, around)
        self._hearing.answer(decision.answers, around.heard)

    def _take_over(self, written: Written) -> None:
        """Write down who decides, and begin with an empty memory."""
        if self._kubernetes.write(replace(written.record, controller=self._name), written.version):
            self._hearing.forget()
            self._memory = _Memory(time.time())

    def _look_around(self, record: Record) -> _Around:
        wanted = self._kubernetes.wanted()
        members = range(self._most(record, wanted))
        heard = self._hearing.heard()
        look = self._members.look(members)
        backup = self._backup.look() if self._backup is not None else None
        objects = self._kubernetes.look(members)
        self._note(look, heard)
        self._note_ends(objects)
        return _Around(wanted, objects, look, backup, heard)

    def _most(self, record: Record, wanted: int) -> int:
        """Up to which number there may be members."""
        cluster = record.cluster
        known = [past.member + 1 for past in cluster.past] if cluster is not None else []
        heard = [member + 1 for member in self._hearing.waiting()]
        return min(MOST_MEMBERS, max([wanted, *known, *heard, *(member + 1 for member in self._memory.last_sign)]))

    def _note(self, look: Look, heard: dict[int, Heard]) -> None:
        memory, now = self._memory, time.time()
        memory.running = dict(look.running)
        for member in {*look.running, *(member for member, one in heard.items() if now - one.at < 1)}:
            memory.note_sign(member, now)
        if look.quorum is not None:
            memory.last_quorum, memory.watched = look.quorum.at, True

    def _note_ends(self, objects: Objects) -> None:
        """Say how etcd ended where it did so by itself: most of all for want of memory."""
        for member, why in objects.ended.items():
            if self._ended.get(member) != (objects.pods[member], why):
                self._ended[member] = objects.pods[member], why
                _log.warning("etcd-%d ended by itself, says Kubernetes: %s", member, why)
                self._metrics.ended(why)

    def _facts(self, around: _Around) -> Facts:
        memory, objects = self._memory, around.objects
        numbers = {*range(around.wanted), *objects.pods, *objects.claims, *around.heard, *memory.running}
        return Facts(
            now=time.time(),
            wanted=around.wanted,
            members={number: self._seen(number, around) for number in numbers},
            quorum=around.look.quorum,
            has_backup=self._backup is not None,
            backup=around.backup,
            last_quorum=memory.last_quorum,
            watched=memory.watched,
            scale=objects.scale,
            rolling=objects.rolling,
        )

    def _seen(self, member: int, around: _Around) -> Seen:
        memory, pod = self._memory, around.objects.pods.get(member, "")
        heard, running = around.heard.get(member), memory.running.get(member)
        if heard is not None and heard.report.pod != pod:
            heard = None
        return Seen(
            heard=heard,
            running=running if running is None or heard is None or heard.at <= running.at else None,
            silent_since=memory.last_sign.get(member, memory.since),
            pod=pod,
            claim=around.objects.claims.get(member),
        )

    def _act(self, decision: Decision, around: _Around) -> None:
        for action in decision.actions:
            try:
                match action:
                    case DeletePod() | DeleteClaim() | ScalePods():
                        self._kubernetes.act(action)
                    case MakeFile():
                        if self._backup is not None:
                            self._backup.make(action)
                    case _:
                        self._members.act(action, around.look)
            except UnavailableError as error:
                # It is decided again in the next pass.
                _log.warning("%s: %s", action, error)

    def _say_what(self, decision: Decision) -> None:
        self._say(decision.says)
        for action in decision.actions:
            if action not in self._actions:
                _log.info("%s", action)
        self._actions = decision.actions

    def _say(self, says: str, level: int = logging.INFO) -> None:
        """Each decision once, however often it is made."""
        if says != self._said:
            _log.log(level, "%s", says)
        self._said = says
