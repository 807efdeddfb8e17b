"""Changes of etcd's list of members: one at a time, each written down, and none that could cost the quorum."""

from dataclasses import replace

from controller.actions import Action, AddEntry, DisarmAlarms, PromoteEntry, RemoveEntry
from controller.conditions import quorum_of
from controller.decision import Case
from controller.facts import Entry, Quorum
from controller.record import Change, Cluster, Kind, Past, Voter

# Seconds after which a member that was added and does not vote holds up no other.
JOINING = 300.0


def with_what_is_shown(cluster: Cluster, quorum: Quorum, now: float) -> Cluster:
    """Return the record's part with what a quorum shows of it: the change that is done, and entries that are gone."""
    change = cluster.change
    if change is not None and (done := _done(cluster, change, quorum, now)) is not None:
        cluster = replace(done, change=None)
    learners = {entry.id: entry.learner for entry in quorum.entries}
    if all(learners.get(voter.entry) is voter.learner for voter in cluster.voters):
        return cluster
    present = [voter for voter in cluster.voters if voter.entry in learners]
    return replace(cluster, voters=tuple(replace(voter, learner=learners[voter.entry]) for voter in present))


def _done(cluster: Cluster, change: Change, quorum: Quorum, now: float) -> Cluster | None:
    """Return the record's part after the change, if the quorum shows it."""
    entries = {entry.id: entry for entry in quorum.entries}
    if change.kind is Kind.REMOVE:
        return cluster.without_voter(change.entry) if change.entry not in entries else None
    if change.kind is Kind.PROMOTE:
        entry = entries.get(change.entry)
        return cluster if entry is None or not entry.learner else None
    known = {voter.entry for voter in cluster.voters}
    for entry in quorum.entries:
        if entry.member == change.member and entry.id not in known:
            return cluster.with_voter(Voter(change.member, change.life, entry.id, learner=entry.learner, joined=now))
    return None


def action_of(change: Change) -> tuple[Action, ...]:
    """Return what carries the change out."""
    if change.kind is Kind.REMOVE:
        return (DisarmAlarms(change.entry), RemoveEntry(change.entry))
    if change.kind is Kind.PROMOTE:
        return (PromoteEntry(change.entry),)
    return (AddEntry(change.member, change.learner),)


def removal(quorum: Quorum, entry: int, member: int) -> Change | None:
    """Return the change that removes an entry, or None if those that answer would not stay a quorum without it."""
    others = [other for other in _voting(quorum) if other.id != entry]
    return Change(Kind.REMOVE, member, entry) if _answering(others) >= quorum_of(len(others)) else None


def addition(case: Case, quorum: Quorum, member: int) -> Change | None:
    """Return the change that adds a member, or None if those that answer would not stay a quorum with it.

    Where one voter more makes a quorum larger, it begins as a learner: a member that is yet to come must not be one
    that the others need. Where it does not, a learner would guard nothing, and take longer.
    """
    voting = _voting(quorum)
    learner = quorum_of(len(voting) + 1) > quorum_of(len(voting))
    if not learner and _answering(voting) < quorum_of(len(voting) + 1):
        return None
    return Change(Kind.ADD, member, life=_next_life(case, member), learner=learner)


def promotion(quorum: Quorum, entry: Entry) -> Change | None:
    """Return the change that lets a learner vote, or None if it is not in sync."""
    voting = _voting(quorum)
    if not entry.healthy or entry.member is None or _answering(voting) + 1 < quorum_of(len(voting) + 1):
        return None
    return Change(Kind.PROMOTE, entry.member, entry.id)


def begun(cluster: Cluster, change: Change) -> Cluster:
    """Return the record's part with the change under way. A life that is to be added is used up by that."""
    if change.kind is Kind.ADD:
        cluster = cluster.with_past(_with_life(cluster.past_of(change.member), change.life))
    return replace(cluster, change=change)


def is_joining(case: Case, quorum: Quorum) -> bool:
    """Return whether somebody was added lately, and does not vote yet: the next one waits for that."""
    healthy = {entry.id for entry in quorum.entries if entry.healthy and not entry.learner}
    return any(
        voter.joined is not None and case.facts.now - voter.joined < JOINING and voter.entry not in healthy
        for voter in case.cluster.voters
    )


def _next_life(case: Case, member: int) -> int:
    """Return a life that the member never was in, as far as the record or its folder knows."""
    report = case.facts.report(member)
    marker = report.marker if report is not None else None
    here = marker.life if marker is not None and marker.epoch == case.cluster.epoch.number else 0
    return max(case.cluster.past_of(member).life, here) + 1


def _with_life(past: Past, life: int) -> Past:
    return replace(past, life=max(past.life, life))


def _voting(quorum: Quorum) -> list[Entry]:
    return [entry for entry in quorum.entries if not entry.learner]


def _answering(entries: list[Entry]) -> int:
    return len([entry for entry in entries if entry.healthy])
