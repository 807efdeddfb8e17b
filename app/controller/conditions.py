"""What the facts mean for the members of the record: whose data are there, and whether they can be a quorum."""

from collections.abc import Iterator, Set
from enum import Enum, auto

from controller.facts import Facts
from controller.record import ADOPTED, FROM_BEFORE, FROM_NOTHING, UNKNOWN_LIFE, Cluster, Kind, Voter
from member.marker import State
from member.starting import File, Folder, Report


class Condition(Enum):
    """How it is with one voter."""

    HERE = auto()  # it was let start, and its data are there
    UNBORN = auto()  # it was never let start: there is nothing that could be lost
    GONE = auto()  # it was let start, and says itself that its data are gone, or of another life
    SILENT = auto()  # it was let start, and says nothing: its data may be there


def quorum_of(size: int) -> int:
    """Return how many of so many voters are a quorum."""
    return size // 2 + 1


def condition(cluster: Cluster, facts: Facts, voter: Voter) -> Condition:
    """Return how it is with a voter."""
    running = facts.running(voter.member)
    if running is not None and (running.cluster, running.entry) == (cluster.epoch.cluster, voter.entry):
        return Condition.HERE
    if not voter.folder:
        return Condition.UNBORN
    report = facts.report(voter.member)
    if report is None or is_ahead(cluster, voter.member, report.folder):
        return Condition.SILENT
    return Condition.HERE if is_life(cluster, voter, report.folder) else Condition.GONE


def is_life(cluster: Cluster, voter: Voter, folder: Folder | None) -> bool:
    """Return whether this is the folder that was let start as the voter, with all that it may need to start again."""
    if folder is None:
        return False
    marker = folder.marker
    if marker is None:
        return voter.folder == ADOPTED and folder.log
    if marker.epoch != cluster.epoch.number or voter.life not in (marker.life, UNKNOWN_LIFE):
        return False
    if voter.folder == ADOPTED:
        return folder.log and marker.state is not State.MADE
    # One that was let start, and ended before it could write that down, may start again.
    return (
        marker.folder == voter.folder
        and (folder.log or marker.state is State.MADE)
        and is_complete(cluster, voter, folder)
    )


def is_complete(cluster: Cluster, voter: Voter, folder: Folder) -> bool:
    """Return whether the folder has the log that it was made with: with a file, but not to join or to begin anew."""
    return folder.log or voter.joined is not None or not cluster.epoch.source.sha256


def is_ahead(cluster: Cluster, member: int, folder: Folder | None) -> bool:
    """Return whether the folder is of something that the record does not know yet: then the record is an old one."""
    marker = folder.marker if folder is not None else None
    if marker is None:
        return False
    if marker.epoch != cluster.epoch.number:
        return marker.epoch > cluster.epoch.number
    last = cluster.past_of(member).life
    if last != UNKNOWN_LIFE and marker.life > last:
        return True
    voter = cluster.voter(member)
    is_unborn = voter is not None and not voter.folder and voter.life == marker.life
    return is_unborn and marker.state is not State.MADE


def configurations(cluster: Cluster) -> Iterator[tuple[Voter, ...]]:
    """Yield those who may vote now: before and after the change that no quorum has shown done yet."""
    voting = tuple(voter for voter in cluster.voters if not voter.learner)
    yield voting
    change = cluster.change
    if change is None:
        return
    if change.kind is Kind.REMOVE:
        yield tuple(voter for voter in voting if voter.entry != change.entry)
    elif change.kind is Kind.PROMOTE:
        yield tuple(voter for voter in cluster.voters if not voter.learner or voter.entry == change.entry)
    elif not change.learner:
        yield (*voting, Voter(change.member, change.life, change.entry, joined=0.0))


def may_be_quorum(cluster: Cluster, facts: Facts, gone: Set[int] = frozenset()) -> bool:
    """Return whether those whose data are not gone may be a quorum. Those in `gone` are, too."""
    is_lost = file_is_gone(cluster, facts)
    return any(
        len([voter for voter in voters if voter.member not in gone and not _is_out(cluster, facts, voter, is_lost)])
        >= quorum_of(len(voters))
        for voters in configurations(cluster)
    )


def _is_out(cluster: Cluster, facts: Facts, voter: Voter, is_file_gone: bool) -> bool:
    """Return whether a voter can be no part of a quorum that is not there yet."""
    how = condition(cluster, facts, voter)
    if how is Condition.UNBORN and voter.joined is None:
        # One that was made before the file was gone needs it no more.
        return is_file_gone and not is_made(cluster, voter, facts.report(voter.member))
    return how in (Condition.GONE, Condition.UNBORN) or _is_to_join(facts, voter)


def _is_to_join(facts: Facts, voter: Voter) -> bool:
    """Return whether it has yet to get its data from a quorum, be it that it was let start."""
    report = facts.report(voter.member)
    return voter.joined is not None and report is not None and report.folder is not None and not report.folder.log


def is_made(cluster: Cluster, voter: Voter, report: Report | None) -> bool:
    """Return whether a member's folder was made for the life that the voter is, and has all that it was made with."""
    folder = report.folder if report is not None else None
    if folder is None or folder.marker is None or not is_complete(cluster, voter, folder):
        return False
    return (folder.marker.epoch, folder.marker.life) == (cluster.epoch.number, voter.life)


def file_of(cluster: Cluster, facts: Facts) -> File | None:
    """Return the file that the epoch begins with, if somebody has it."""
    source = cluster.epoch.source
    if not source.sha256:
        return None
    return next((file for file in facts.files() if file.sha256 == source.sha256), None)


def file_is_gone(cluster: Cluster, facts: Facts) -> bool:
    """Return whether whoever had the epoch's file says that it has it no more."""
    source = cluster.epoch.source
    if source.made_of in (FROM_NOTHING, FROM_BEFORE) or file_of(cluster, facts) is not None:
        return False
    kind, _, member = source.made_of.partition(" ")
    if kind == "member":
        # Once its etcd runs, it serves no file any more.
        return facts.report(int(member)) is not None or facts.running(int(member)) is not None
    return not facts.has_backup or facts.answer_of_backup() is not None
