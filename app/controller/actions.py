"""What the controller does after the record says so. Each is safe to repeat, and names the one thing that it is for, so
that one which comes late finds nothing to do.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoveEntry:
    """Take an entry off etcd's list of members."""

    entry: int


@dataclass(frozen=True)
class AddEntry:
    """Put a member on etcd's list, as a voter or a learner. etcd refuses who is on it already."""

    member: int
    learner: bool


@dataclass(frozen=True)
class PromoteEntry:
    """Have a learner vote. etcd refuses one that is not in sync."""

    entry: int


@dataclass(frozen=True)
class DisarmAlarms:
    """Take back the CORRUPT alarm of an entry."""

    entry: int


@dataclass(frozen=True)
class PutEpoch:
    """Write key `epoch`, if it is not there; with `before_counting`, only if nothing is counted either."""

    number: int
    before_counting: bool


@dataclass(frozen=True)
class DeletePod:
    """Delete this pod, and no other of its name: another comes in its place.

    With `force`, without waiting for its node to say that it is gone: a person said that the node is.
    """

    member: int
    pod: str
    force: bool = False


@dataclass(frozen=True)
class DeleteClaim:
    """Delete this claim, and no other of its name, with its volume."""

    member: int
    uid: str


@dataclass(frozen=True)
class ScalePods:
    """Give the StatefulSet so many replicas, if nobody else has changed it since."""

    replicas: int
    version: str


@dataclass(frozen=True)
class MakeFile:
    """Have backup make a restore file for an epoch: of "chain" or "snapshot NAME"."""

    made_of: str
    epoch: int


Action = (
    RemoveEntry | AddEntry | PromoteEntry | DisarmAlarms | PutEpoch | DeletePod | DeleteClaim | ScalePods | MakeFile
)
