"""The record: what was decided about the members, written before it is acted on, so that whoever goes on knows it.

It is the data of ConfigMap `etcd-cluster`. A person's request is a key of its own in it, which only a person writes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from member.json_values import read_number, read_text

# In place of a folder's name, where an adopted member was let start before there were any.
ADOPTED = "adopted"

# In place of a folder's name, where an adopted member turned out to have the folder of another life: no folder has it.
ANOTHER = "another's"

# The life of an adopted member that has not said yet which it is.
UNKNOWN_LIFE = 0

FIRST_EPOCH = 1

FROM_NOTHING = "nothing"
FROM_BEFORE = "adopted"


class RecordError(Exception):
    """The record can't be read. The text says which key is wrong, and why."""


@dataclass(frozen=True)
class Source:
    """What an epoch began with.

    Attributes:
        made_of: FROM_NOTHING, FROM_BEFORE (it was there before the record), or what the file was made of: "chain",
            "snapshot NAME" or "member N".
        sha256: The file's; "" if there is none.
        epoch: Of the file's data.
        revision: Of the file's data.
    """

    made_of: str
    sha256: str = ""
    epoch: int = 0
    revision: int = 0


@dataclass(frozen=True)
class Epoch:
    """One cluster of the deployment.

    Attributes:
        number: One more for each restore.
        token: Random; "" where it was there before the record.
        cluster: etcd's ID of it.
        source: What it began with.
        founders: How many members it began with, numbered from 0; 0: nobody knows.
        bump: By how much its revisions are above the file's.
        formed: Whether a quorum has answered in it. From then on something may have been counted.
    """

    number: int
    token: str
    cluster: int
    source: Source
    founders: int = 0
    bump: int = 0
    formed: bool = False


@dataclass(frozen=True)
class Voter:
    """A member that etcd has an entry for.

    Attributes:
        member: Its number: N of pod etcd-N.
        life: Which of its lives.
        entry: etcd's ID of that life.
        folder: The name of the folder that was let start as this life; "": none was, so it has never started.
        learner: Whether it does not vote yet.
        joined: When it was added; None: the epoch began with it.
    """

    member: int
    life: int
    entry: int
    folder: str = ""
    learner: bool = False
    joined: float | None = None


@dataclass(frozen=True)
class Past:
    """What is known of a member whether or not it votes.

    Attributes:
        member: Its number.
        life: The last life that it was given.
        looped: When it was last replaced for a crash loop.
        looped_life: The life that it was given then.
    """

    member: int
    life: int
    looped: float | None = None
    looped_life: int = UNKNOWN_LIFE


class Kind(StrEnum):
    """What a change of the membership does."""

    REMOVE = "remove"
    ADD = "add"
    PROMOTE = "promote"


@dataclass(frozen=True)
class Change:
    """The one change of the membership that is under way.

    Attributes:
        kind: What it does.
        member: Of whom.
        entry: etcd's ID of what is removed or promoted; 0 where one is added: etcd gives it.
        life: The life that is added.
        learner: Whether it is added as a learner.
    """

    kind: Kind
    member: int
    entry: int = 0
    life: int = 0
    learner: bool = False


@dataclass(frozen=True)
class Cluster:
    """What was decided about the members.

    Attributes:
        epoch: The present one.
        before: Number and cluster ID of each epoch before it.
        size: How many members it is to have.
        voters: The members that etcd has entries for, by number, as a quorum last showed them.
        past: Of every member that ever was, by number.
        change: What is under way between `voters` and what comes next.
        scaling: Whether the StatefulSet is yet to be given `size` replicas.
        discarded: Pods, by member and pod, that are to be deleted with their claims: somebody said that they are gone.
    """

    epoch: Epoch
    before: tuple[tuple[int, int], ...]
    size: int
    voters: tuple[Voter, ...]
    past: tuple[Past, ...]
    change: Change | None = None
    scaling: bool = False
    discarded: tuple[tuple[int, str], ...] = ()

    def voter(self, member: int) -> Voter | None:
        """Return the member's entry."""
        return next((voter for voter in self.voters if voter.member == member), None)

    def past_of(self, member: int) -> Past:
        """Return what is known of a member, be it nothing."""
        return next((past for past in self.past if past.member == member), Past(member, UNKNOWN_LIFE))

    def with_voter(self, voter: Voter) -> "Cluster":
        """Return it with this entry, in the place of any other of that member."""
        others = [other for other in self.voters if other.member != voter.member]
        return replace(self, voters=tuple(sorted([*others, voter], key=lambda one: one.member)))

    def without_voter(self, entry: int) -> "Cluster":
        """Return it without the entry of this ID."""
        return replace(self, voters=tuple(voter for voter in self.voters if voter.entry != entry))

    def with_past(self, past: Past) -> "Cluster":
        """Return it with this known of a member."""
        others = [other for other in self.past if other.member != past.member]
        return replace(self, past=tuple(sorted([*others, past], key=lambda one: one.member)))


class Wish(StrEnum):
    """What a person may ask for."""

    CONTINUE = "continue"  # a new epoch from the newest source
    SNAPSHOT = "snapshot"  # a new epoch from this snapshot
    MEMBER = "member"  # a new epoch from this member's folder
    EMPTY = "empty"  # a new epoch from nothing
    REPLACE = "replace"  # this member's volume is gone for good


@dataclass(frozen=True)
class Request:
    """What a person asks for.

    Attributes:
        id: Sets it apart from every other request.
        wish: What is asked for.
        snapshot: Its name, for SNAPSHOT.
        member: The number, for MEMBER and REPLACE.
    """

    id: str
    wish: Wish
    snapshot: str = ""
    member: int = -1


@dataclass(frozen=True)
class Record:
    """Attributes:
    cluster: None: nothing has been decided, or somebody deleted the record.
    request: What a person asks for, and has not withdrawn.
    step: Of which request (by ID) is how much done; ("", "") of none.
    controller: Who decides. Another one that wants to writes its own name first, and forgets all that members told it
        before: what they were told by the one before it may have changed that.
    """

    cluster: Cluster | None = None
    request: Request | None = None
    step: tuple[str, str] = ("", "")
    controller: str = ""

    def open_request(self) -> Request | None:
        """Return the request that is not done."""
        request = self.request
        return request if request is not None and self.step != (request.id, DONE) else None


HOLDING = "holding"
DONE = "done"

_FORMAT = "1"


def to_data(record: Record) -> dict[str, str]:
    """Return the ConfigMap's data."""
    data = {"format": _FORMAT}
    cluster = record.cluster
    if cluster is not None:
        data |= {
            # For people, and for those who only want to know these two.
            "epoch": str(cluster.epoch.number),
            "token": cluster.epoch.token,
            "cluster": json.dumps(asdict(cluster)),
        }
    if record.request is not None:
        data["request"] = json.dumps(asdict(record.request))
    if record.step != ("", ""):
        data["step"] = json.dumps(record.step)
    if record.controller:
        data["controller"] = record.controller
    return data


def from_data(data: Mapping[str, str]) -> Record:
    """Return what the ConfigMap's data say. Raises RecordError.

    Keys of the version before, which knew no `cluster`, are passed over: its members are adopted.
    """
    if data.get("format", _FORMAT) != _FORMAT:
        raise RecordError(f"its format is {data['format']!r}, which this version can't read")
    step = _parsed(data, "step", lambda content: (read_text(content[0]), read_text(content[1])))
    return Record(
        cluster=_parsed(data, "cluster", _cluster),
        request=_parsed(data, "request", _request),
        step=step or ("", ""),
        controller=data.get("controller", ""),
    )


def _parsed(data: Mapping[str, str], key: str, parse: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - each its own
    if not data.get(key):
        return None
    try:
        return parse(json.loads(data[key]))
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise RecordError(f"the record's key {key!r} can't be read: {error!r}") from None


def _cluster(content: dict[str, Any]) -> Cluster:
    change, discarded = content["change"], content["discarded"]
    return Cluster(
        epoch=_epoch(content["epoch"]),
        before=tuple((read_number(number), read_number(cluster)) for number, cluster in content["before"]),
        size=read_number(content["size"]),
        voters=tuple(_voter(voter) for voter in content["voters"]),
        past=tuple(_past(past) for past in content["past"]),
        change=None if change is None else _change(change),
        scaling=bool(content["scaling"]),
        discarded=tuple((read_number(member), read_text(pod)) for member, pod in discarded),
    )


def _epoch(content: dict[str, Any]) -> Epoch:
    source = content["source"]
    return Epoch(
        number=read_number(content["number"]),
        token=read_text(content["token"]),
        cluster=read_number(content["cluster"]),
        source=Source(
            read_text(source["made_of"]),
            read_text(source["sha256"]),
            read_number(source["epoch"]),
            read_number(source["revision"]),
        ),
        founders=read_number(content["founders"]),
        bump=read_number(content["bump"]),
        formed=bool(content["formed"]),
    )


def _voter(content: dict[str, Any]) -> Voter:
    return Voter(
        member=read_number(content["member"]),
        life=read_number(content["life"]),
        entry=read_number(content["entry"]),
        folder=read_text(content["folder"]),
        learner=bool(content["learner"]),
        joined=_time(content["joined"]),
    )


def _past(content: dict[str, Any]) -> Past:
    return Past(
        read_number(content["member"]),
        read_number(content["life"]),
        _time(content["looped"]),
        read_number(content["looped_life"]),
    )


def _change(content: dict[str, Any]) -> Change:
    return Change(
        kind=Kind(content["kind"]),
        member=read_number(content["member"]),
        entry=read_number(content["entry"]),
        life=read_number(content["life"]),
        learner=bool(content["learner"]),
    )


def _request(content: dict[str, Any]) -> Request:
    """A person may write it by hand: what is left out has its default."""
    request = Request(
        id=read_text(content["id"]),
        wish=Wish(content["wish"]),
        snapshot=read_text(content.get("snapshot", "")),
        member=read_number(content.get("member", -1)),
    )
    if not request.id:
        raise ValueError("its id is empty")
    if request.wish is Wish.SNAPSHOT and not request.snapshot:
        raise ValueError("it names no snapshot")
    if request.wish in (Wish.MEMBER, Wish.REPLACE) and request.member < 0:
        raise ValueError("it names no member")
    return request


def _time(value: object) -> float | None:
    if value is None or type(value) is int or type(value) is float:
        return value
    raise ValueError(f"{value!r} is no time")
