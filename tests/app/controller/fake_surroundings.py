"""What a controller asks and changes, in memory. All that is asked of it is noted in one list, in its order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from controller.actions import DeleteClaim, DeletePod, MakeFile, ScalePods
from controller.facts import Backup, Claim, Heard, Running, Scale
from controller.hearing import Hearing
from controller.members import EtcdAction, Look, Members
from controller.record import Record
from controller.surroundings import Objects, UnavailableError, Written
from member.starting import Answer

THREE_PODS = Objects(
    pods={member: f"pod-{member}" for member in range(3)},
    claims={member: Claim(f"claim-{member}") for member in range(3)},
    scale=Scale(3, "1"),
)
NOBODY = Look({}, None)


@dataclass
class Surroundings:
    """Attributes:
    asked: What was asked: "read", "look at members", ...; and what was done: the action itself.
    fails: What gives no answer.
    """

    record: Record = field(default_factory=lambda: Record(controller="me"))
    version: int = 1
    objects: Objects = THREE_PODS
    says: Look = NOBODY
    asked: list[object] = field(default_factory=list)
    fails: set[object] = field(default_factory=set)
    changed_meanwhile: bool = False

    def note(self, what: object) -> None:
        self.asked.append(what)
        if what in self.fails:
            raise UnavailableError(f"no answer to {what}")


class FakeKubernetes:
    """Three pods."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def wanted(self) -> int:
        self._around.note("wanted")
        return 3

    def read(self) -> Written:
        self._around.note("read")
        return Written(self._around.record, str(self._around.version))

    def write(self, record: Record, version: str) -> bool:
        around = self._around
        around.note("write")
        if around.changed_meanwhile or version != str(around.version):
            return False
        around.record, around.version = record, around.version + 1
        return True

    def look(self, members: range) -> Objects:
        self._around.note("look at Kubernetes")
        objects = self._around.objects
        pods = {member: pod for member, pod in objects.pods.items() if member in members}
        claims = {member: claim for member, claim in objects.claims.items() if member in members}
        return replace(objects, pods=pods, claims=claims)

    def act(self, action: DeletePod | DeleteClaim | ScalePods) -> None:
        self._around.note(action)


class FakeMembers(Members):
    """Say what they are told to."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__()
        self._around = around

    def look(self, numbers: Iterable[int]) -> Look:
        self._around.note("look at members")
        asked = set(numbers)
        running: Mapping[int, Running] = {
            number: one for number, one in self._around.says.running.items() if number in asked
        }
        return Look(running, self._around.says.quorum)

    def act(self, action: EtcdAction, look: Look) -> None:  # noqa: ARG002  # it would be asked of one of them
        self._around.note(action)


class FakeBackup:
    """Says what it is told to."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self.says: Backup | None = None

    def look(self) -> Backup | None:
        self._around.note("look at backup")
        return self.says

    def make(self, action: MakeFile) -> None:
        self._around.note(action)


class NotedHearing(Hearing):
    """Notes when answers are given."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__()
        self._around = around

    def answer(self, answers: Mapping[int, Answer], decided_on: Mapping[int, Heard]) -> None:
        self._around.note("answer")
        super().answer(answers, decided_on)
