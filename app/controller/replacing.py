"""A quorum answers: members that are of no use are replaced, one change of etcd's list at a time."""

from dataclasses import replace

from controller.answers import answer_all
from controller.conditions import Condition, condition, file_is_gone, is_ahead, is_made
from controller.decision import Case, Decision, changed
from controller.facts import Entry, Quorum
from controller.membership import action_of, addition, begun, is_joining, promotion, removal, with_what_is_shown
from controller.record import Change, Cluster, Voter
from controller.standing import standing_actions
from member.starting import Report

# What a crash loop is: etcd ended by itself this often in ten minutes, while all others were well for as long.
CRASHES = 5
_WELL = 600.0
# Seconds in which a member is replaced for one once.
_LOOP_PAUSE = 3600.0

# Why a member is replaced.
_GONE = "its data are gone"
_NO_FILE = "the file that it would begin with is gone"
_CORRUPT = "a CORRUPT alarm says that its data differ from the others'"
_LOOPS = "it is in a crash loop"


def replace_members(case: Case) -> Decision | None:
    """A quorum answers, and members are gone, corrupt, in a crash loop or missing: remove those, then add them anew.

    All that is to be removed goes first: what is left needs fewer of those that answer. Then one is added, and votes,
    before the next one is.
    """
    quorum = case.quorum
    if quorum is None:
        return None
    cluster = _without_what_is_discarded(case, with_what_is_shown(case.cluster, quorum, case.facts.now))
    if cluster.change is not None:
        says = (
            f"{_in_words(cluster.change)}, and wait until a quorum shows it; etcd refuses while too few others answer: "
            "if they don't come back, `make restore` decides"
        )
        return _decided(case, cluster, says)
    if cluster != case.cluster:
        return _decided(case, cluster, "note what a quorum shows")
    for change, why in _steps(case, quorum):
        return _decided(case, _noted(case, begun(cluster, change), change, why), f"{_in_words(change)}: {why}")
    return None


def _steps(case: Case, quorum: Quorum) -> list[tuple[Change, str]]:
    """Return what may be done now, in the order in which it is done."""
    steps = [
        (change, why)
        for voter, why in _to_be_replaced(case, quorum)
        if (change := removal(quorum, voter.entry, voter.member))
    ]
    steps += [
        (change, "no decision of this record added it")
        for entry in _unknown(case, quorum)
        if entry.member is not None and (change := removal(quorum, entry.id, entry.member))
    ]
    steps += [
        (change, "it is in sync") for entry in quorum.entries if entry.learner and (change := promotion(quorum, entry))
    ]
    if not is_joining(case, quorum):
        steps += [
            (change, "it is to be a member, and asks")
            for member in _missing(case)
            if _asks(case, member) and (change := addition(case, quorum, member))
        ]
    return steps


def _to_be_replaced(case: Case, quorum: Quorum) -> list[tuple[Voter, str]]:
    """Return the voters that are of no use, and why."""
    corrupt = quorum.corrupt if 0 not in quorum.corrupt else frozenset[int]()
    is_lost = file_is_gone(case.cluster, case.facts)
    found = []
    for voter in case.cluster.voters:
        how = condition(case.cluster, case.facts, voter)
        report = case.facts.report(voter.member)
        if how is Condition.GONE:
            found.append((voter, _GONE))
        elif how is Condition.UNBORN and is_lost and _needs_the_file(case.cluster, voter, report):
            found.append((voter, _NO_FILE))
        elif voter.entry in corrupt:
            found.append((voter, _CORRUPT))
        elif report is not None and how is Condition.HERE and _is_in_crash_loop(case, quorum, voter, report):
            found.append((voter, _LOOPS))
    return found


def _needs_the_file(cluster: Cluster, voter: Voter, report: Report | None) -> bool:
    """Return whether a member that has yet to begin asks, and has no whole folder of this epoch, but maybe an older."""
    if voter.joined is not None or report is None or is_ahead(cluster, voter.member, report.folder):
        return False
    return not is_made(cluster, voter, report)


def _missing(case: Case) -> list[int]:
    """Return the members that are to be there and have no entry."""
    return [member for member in range(case.cluster.size) if case.cluster.voter(member) is None]


def _asks(case: Case, member: int) -> bool:
    """Return whether the member is there to begin: an entry for nobody would only be waited for."""
    report = case.facts.report(member)
    if report is None or (member, report.pod) in case.cluster.discarded:
        return False
    return not is_ahead(case.cluster, member, report.folder)


def _without_what_is_discarded(case: Case, cluster: Cluster) -> Cluster:
    left = tuple((member, pod) for member, pod in cluster.discarded if case.facts.seen(member).pod == pod)
    return replace(cluster, discarded=left) if left != cluster.discarded else cluster


def _unknown(case: Case, quorum: Quorum) -> list[Entry]:
    """Return the entries that the record does not know: of a call that came late."""
    known = {voter.entry for voter in case.cluster.voters}
    return [entry for entry in quorum.entries if entry.id not in known]


def _is_in_crash_loop(case: Case, quorum: Quorum, voter: Voter, report: Report) -> bool:
    """A full volume is none, nor is a rollout; and what a new life did not cure is for a person to look at."""
    now, past = case.facts.now, case.cluster.past_of(voter.member)
    if report.crashes < CRASHES or report.full or case.facts.rolling or past.looped_life == voter.life:
        return False
    if past.looped is not None and now - past.looped < _LOOP_PAUSE:
        return False
    others = [entry for entry in quorum.entries if entry.id != voter.entry]
    return all(entry.healthy and now - entry.healthy_since >= _WELL for entry in others)


def _noted(case: Case, cluster: Cluster, change: Change, why: str) -> Cluster:
    """Note that a member is replaced for a crash loop, and which life comes of that."""
    if why != _LOOPS:
        return cluster
    past = cluster.past_of(change.member)
    return cluster.with_past(replace(past, looped=case.facts.now, looped_life=past.life + 1))


def _decided(case: Case, cluster: Cluster, says: str) -> Decision:
    answered, answers = answer_all(cluster, case.facts)
    record = changed(case, answered)
    actions = action_of(cluster.change) if cluster.change is not None else ()
    return Decision("replace_members", says, record, (*actions, *standing_actions(case)), answers)


def _in_words(change: Change) -> str:
    what = " as a learner" if change.learner else ""
    return f"{change.kind} etcd-{change.member}{what}"
