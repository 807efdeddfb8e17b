"""Records and facts for the tests of single decisions: a cluster of epoch 1 that counts, and what differs from that."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from controller import epochs, identity
from controller.actions import Action
from controller.decide import decide
from controller.decision import Decision
from controller.facts import Backup, Chain, Claim, Entry, Facts, Heard, Quorum, Running, Scale, Seen
from controller.record import Cluster, Record, Request, Wish
from member.marker import Marker, State
from member.starting import File, Folder, Report

NOW = 10_000.0
LONG_AGO = NOW - 1000
TOKEN = "token-1"
CLUSTER = identity.cluster_id(TOKEN, range(3))
OTHER_CLUSTER = 4711

NO_FOLDER: Folder | None = None
UNMARKED = Folder(None, log=True)


def entry(member: int) -> int:
    """etcd's ID of a member."""
    return identity.member_id(TOKEN, member)


def marked(member: int, state: State = State.STARTED, *, log: bool = True, **others: Any) -> Folder:  # noqa: ANN401
    """The folder of a member in its first life, but for what differs."""
    marker = Marker(epoch=1, life=1, state=state, folder=f"folder-{member}")
    return Folder(replace(marker, **others), log)


def counting(size: int = 3, **others: Any) -> Cluster:  # noqa: ANN401
    """A cluster all of whose members were let start, but for what differs."""
    cluster = epochs.first(1, TOKEN, size)
    voters = tuple(replace(voter, folder=f"folder-{voter.member}") for voter in cluster.voters)
    formed = replace(cluster, voters=voters, epoch=replace(cluster.epoch, formed=True), scaling=False)
    return replace(formed, **others)


def begun(size: int = 3) -> Cluster:
    """A cluster none of whose members was let start yet."""
    return replace(epochs.first(1, TOKEN, size), scaling=False)


def asks(member: int, folder: Folder | None, **others: Any) -> Seen:  # noqa: ANN401
    """A member that asks now."""
    report = replace(Report(member, f"pod-{member}", folder), **others)
    return Seen(Heard(report, NOW - 1), None, NOW - 1, f"pod-{member}", Claim(f"claim-{member}"))


def runs(member: int, cluster: int = CLUSTER, own: int | None = None) -> Seen:
    """A member whose etcd answers."""
    running = Running(cluster, entry(member) if own is None else own, NOW - 1)
    return Seen(None, running, NOW - 1, f"pod-{member}", Claim(f"claim-{member}"))


def silent(member: int, seconds: float = 1000.0) -> Seen:
    """A member that says nothing."""
    return Seen(None, None, NOW - seconds, f"pod-{member}", Claim(f"claim-{member}"))


def quorum_of(members: Mapping[int, bool], **others: Any) -> Quorum:  # noqa: ANN401
    """A quorum that lists these members, each healthy or not."""
    entries = tuple(Entry(entry(member), member, False, healthy, LONG_AGO) for member, healthy in members.items())
    return replace(Quorum(NOW - 1, CLUSTER, entries, entry(0), epoch=1), **others)


def chain(revision: int = 100, complete: float = NOW - 500, **others: Any) -> Backup:  # noqa: ANN401
    """Backup with a chain of the first epoch."""
    return replace(Backup(NOW - 1, Chain(1, revision, complete), snapshots=True, epoch=1), **others)


def file(made_of: str = "chain", revision: int = 100, made_for: int = 2, epoch: int = 1) -> File:
    """A file for the next epoch."""
    return File(f"sha-{made_of}", made_for, made_of, epoch, revision)


def facts(members: Mapping[int, Seen], quorum: Quorum | None = None, **others: Any) -> Facts:  # noqa: ANN401
    """Facts about these members."""
    given = Facts(NOW, wanted=3, members=members, quorum=quorum, backup=chain(), scale=Scale(3, "1"))
    return replace(given, **others)


def decided(cluster: Cluster | None, given: Facts, request: Request | None = None, **others: Any) -> Decision:  # noqa: ANN401
    """What is decided."""
    return decide(replace(Record(cluster, request, controller="me"), **others), given, "token-2")


def cluster_of(decision: Decision) -> Cluster:
    """What the decision writes."""
    assert decision.record is not None, decision
    assert decision.record.cluster is not None
    return decision.record.cluster


def ask_for(wish: Wish, snapshot: str = "", member: int = -1) -> Request:
    return Request("request-1", wish, snapshot, member)


def of_kind(actions: tuple[Action, ...], kind: type) -> list[Any]:
    """The actions of one kind."""
    return [action for action in actions if isinstance(action, kind)]
