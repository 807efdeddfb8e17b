"""What is known at the moment of a decision: what members, a quorum of them, backup and Kubernetes said, and when.

Whoever gathers it reads the record, then asks a quorum, backup and Kubernetes, and takes `now` last: so what a quorum
shows is never older than what is written. Reports count that came since the record named this controller, and until
they are answered by something that may change what they say.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from member.starting import Answer, File, Report, Save, Wait

# Seconds after which what somebody said is no longer taken for how things are.
FRESH = 10.0

# Seconds of silence after which somebody is not waited for, where nothing can be lost by that.
SILENT = 60.0

# Seconds by which backup's log may be behind the last answer of a quorum and still be called complete.
LAG = 1.0


@dataclass(frozen=True)
class Heard:
    """A report, and when it came."""

    report: Report
    at: float


@dataclass(frozen=True)
class Running:
    """What a member's etcd says of itself on its own: cluster and entry that it takes itself for. It has data, then."""

    cluster: int
    entry: int
    at: float


@dataclass(frozen=True)
class Claim:
    """A member's volume claim, as Kubernetes knows it.

    Attributes:
        uid: Which claim of that name it is.
        bound: Whether there ever was a volume. Without one there are no data.
        leaving: Whether it is deleted as soon as its pod is.
    """

    uid: str
    bound: bool = True
    leaving: bool = False


@dataclass(frozen=True)
class Seen:
    """What is known of one member.

    Attributes:
        heard: The last report of the pod that there is now.
        running: What its etcd last said, if that is newer than the report.
        silent_since: Since when it has said nothing at all, as far as this controller was there to hear it;
            infinite: it was not.
        pod: Which pod there is; "" if there is none.
        claim: Its claim, if there is one.
    """

    heard: Heard | None = None
    running: Running | None = None
    silent_since: float = math.inf
    pod: str = ""
    claim: Claim | None = None


def changes_nothing(answer: Answer) -> bool:
    """Return whether a member that hears this stays as it said it is: if not, its report counts no more."""
    return isinstance(answer, Wait | Save)


NOBODY = Seen()


@dataclass(frozen=True)
class Entry:
    """One entry of etcd's list of members.

    Attributes:
        id: etcd's ID of it.
        member: Whose it is, by its peer URL; None: nobody's that this system knows.
        learner: Whether it does not vote.
        healthy: Whether its etcd answers, knows the leader and has nearly all that the leader has.
        healthy_since: Since when.
    """

    id: int
    member: int | None
    learner: bool
    healthy: bool
    healthy_since: float = 0.0


@dataclass(frozen=True)
class Quorum:
    """What a quorum of the members agrees on, by a linearizable call.

    Attributes:
        at: When it answered.
        cluster: etcd's ID of the cluster.
        entries: Its members.
        leader: The leader's entry.
        corrupt: The entries that a CORRUPT alarm stands for; 0 among them: nobody knows whose data are wrong.
        epoch: What key `epoch` says; None: it is not there.
    """

    at: float
    cluster: int
    entries: tuple[Entry, ...]
    leader: int
    corrupt: frozenset[int] = frozenset()
    epoch: int | None = None


@dataclass(frozen=True)
class Chain:
    """The newest that backup can restore: a proven snapshot and the log after it.

    Attributes:
        epoch: Of its data.
        revision: Up to which it goes.
        complete: When it was last known to have all that a quorum had.
    """

    epoch: int
    revision: int
    complete: float


@dataclass(frozen=True)
class Backup:
    """What backup says.

    Attributes:
        at: When it answered.
        chain: None: nothing that can be restored.
        snapshots: Whether there are any at all, be they damaged, or of another epoch.
        epoch: The newest epoch that it knows of.
        files: The restore files that it has.
        fault: Why the last file that was asked for could not be made; "" if it could.
    """

    at: float
    chain: Chain | None = None
    snapshots: bool = False
    epoch: int = 0
    files: tuple[File, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class Scale:
    """How many pods the StatefulSet is to have, and a version that changes when that does."""

    replicas: int
    version: str


@dataclass(frozen=True)
class Facts:
    """All of it.

    Attributes:
        now: When this was put together.
        wanted: How many members are configured.
        members: What is known of each, by number.
        quorum: None: no quorum answers.
        has_backup: Whether there is one in this deployment.
        backup: None: it is silent.
        last_quorum: When this controller last had a quorum's answer.
        watched: Whether it asked every two seconds from then until it saw the first folder missing.
        scale: None: Kubernetes does not say.
        rolling: Whether the StatefulSet's pods are being made anew.
    """

    now: float
    wanted: int
    members: Mapping[int, Seen] = field(default_factory=dict)
    quorum: Quorum | None = None
    has_backup: bool = True
    backup: Backup | None = None
    last_quorum: float | None = None
    watched: bool = False
    scale: Scale | None = None
    rolling: bool = False

    def to_begin_with(self) -> int:
        """Return how many members a first epoch has: those of the wanted that have pods; more come later."""
        return self.wanted if self.scale is None else min(self.wanted, self.scale.replicas)

    def who_may_have_data(self) -> list[int]:
        """Return all that a first epoch has, and all that there are besides: fewer may be wanted than there were."""
        others = (member for member, seen in self.members.items() if seen.pod or seen.claim is not None)
        return sorted({*range(self.to_begin_with()), *others})

    def seen(self, member: int) -> Seen:
        """Return what is known of a member, be it nothing."""
        return self.members.get(member, NOBODY)

    def report(self, member: int) -> Report | None:
        """Return what a member says of itself now. Silence is no answer, nor is what it said long ago."""
        seen = self.seen(member)
        if seen.heard is None or seen.running is not None or self.now - seen.heard.at > FRESH:
            return None
        return seen.heard.report

    def reports(self) -> list[Report]:
        """Return what all that ask say of themselves now, by member."""
        return [report for member in sorted(self.members) if (report := self.report(member)) is not None]

    def files(self) -> list[File]:
        """Return the files that can be had now, backup's first."""
        backup = self.answer_of_backup()
        made = backup.files if backup is not None else ()
        return [*made, *(report.file for report in self.reports() if report.file is not None)]

    def running(self, member: int) -> Running | None:
        """Return what a member's etcd says now."""
        running = self.seen(member).running
        return running if running is not None and self.now - running.at <= FRESH else None

    def answer_of_backup(self) -> Backup | None:
        """Return what backup says now."""
        backup = self.backup
        return backup if backup is not None and self.now - backup.at <= FRESH else None

    def answer_of_quorum(self) -> Quorum | None:
        """Return what a quorum says now."""
        quorum = self.quorum
        return quorum if quorum is not None and self.now - quorum.at <= FRESH else None

    def log_did_not_lag(self) -> bool:
        """Return whether backup's log has all that anybody can have been told, but for its last second."""
        backup = self.answer_of_backup()
        if backup is None or backup.chain is None or self.last_quorum is None or not self.watched:
            return False
        return self.last_quorum - backup.chain.complete <= LAG
