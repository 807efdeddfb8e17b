"""What the controller asks and changes, each behind a protocol: the record, Kubernetes' pods and claims, backup."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from controller.actions import DeleteClaim, DeletePod, MakeFile, ScalePods
from controller.facts import Backup, Claim, Scale
from controller.record import Record


class UnavailableError(Exception):
    """Who was asked did not answer, or said no. The text says who, and why."""


@dataclass(frozen=True)
class Written:
    """The record, and which version of it that is."""

    record: Record
    version: str


@dataclass(frozen=True)
class Objects:
    """What Kubernetes says of the members.

    Attributes:
        pods: The pod that there is for each member.
        claims: The claim that there is for each member.
        scale: How many pods there are to be.
        rolling: Whether the pods are being made anew.
        ended: How etcd ended the last time in each pod, in Kubernetes' words: OOMKilled, Error.
    """

    pods: Mapping[int, str]
    claims: Mapping[int, Claim]
    scale: Scale | None
    rolling: bool = False
    ended: Mapping[int, str] = field(default_factory=dict)


class Kubernetes(Protocol):
    """The API server. Every method raises UnavailableError."""

    def wanted(self) -> int:
        """Return how many members are configured."""

    def read(self) -> Written:
        """Return the record. Raises controller.record.RecordError, too."""

    def write(self, record: Record, version: str) -> bool:
        """Write the record if it is still of this version. Returns whether it was."""

    def look(self, members: range) -> Objects:
        """Return what there is of these members."""

    def act(self, action: DeletePod | DeleteClaim | ScalePods) -> None:
        """Carry out what was decided; what it is for may be gone already."""


class BackupAccess(Protocol):
    """Backup."""

    def look(self) -> Backup | None:
        """Return what it says; None: it is silent."""

    def make(self, action: MakeFile) -> None:
        """Have a file made, if that is not under way."""
