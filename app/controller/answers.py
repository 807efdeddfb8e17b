"""What members that ask are told while the epoch goes on: to start, to make a folder, or what they wait for.

Here a life is let start for the first time: the record says so before the member hears it, and of which folder.
"""

from dataclasses import replace

from controller.conditions import file_of, is_ahead, is_life, is_made, quorum_of
from controller.facts import Facts
from controller.record import FROM_NOTHING, UNKNOWN_LIFE, Cluster, Kind, Voter
from member.starting import Answer, Folder, Join, New, Report, Restore, Start, Wait

# The life of an adopted member whose folder has no marker.
_FIRST_LIFE = 1


def answer_all(cluster: Cluster, facts: Facts) -> tuple[Cluster, dict[int, Answer]]:
    """Return the record's part with all that is let start now, and what each member that asks is told."""
    answers: dict[int, Answer] = {}
    for report in facts.reports():
        cluster, answers[report.member] = _answer(cluster, facts, report)
    return cluster, answers


def all_wait(facts: Facts, reason: str) -> dict[int, Answer]:
    """Have all who ask wait for the same."""
    return {report.member: Wait(reason) for report in facts.reports()}


def ahead(cluster: Cluster) -> Wait:
    """What a member is told whose folder is newer than the record."""
    return Wait(
        f"its folder is newer than the record, which is of epoch {cluster.epoch.number}: an old record was put back; "
        "put the newest one there, or delete it, and it is made anew from what a quorum says; or `make restore` decides"
    )


def _answer(cluster: Cluster, facts: Facts, report: Report) -> tuple[Cluster, Answer]:
    voter = cluster.voter(report.member)
    if is_ahead(cluster, report.member, report.folder):
        return cluster, ahead(cluster)
    if (report.member, report.pod) in cluster.discarded:
        return cluster, Wait("somebody said that it is gone for good: its pod and its claim are deleted")
    if voter is None:
        return cluster, Wait(_why_no_voter(cluster, report.member))
    if not voter.folder:
        return _answer_unborn(cluster, facts, voter, report)
    folder = report.folder
    if folder is None or not is_life(cluster, voter, folder):
        return cluster, Wait("its data are gone; it is replaced as soon as the others can be a quorum without it")
    if voter.life == UNKNOWN_LIFE:
        cluster, voter = _note_life(cluster, voter, folder)
    return cluster, _start(cluster, facts, voter, folder)


def _why_no_voter(cluster: Cluster, member: int) -> str:
    if member >= cluster.size:
        return f"there are to be {cluster.size} members, and it is none of them"
    change = cluster.change
    if change is not None and change.kind is Kind.ADD and change.member == member:
        return "it is being added"
    return "it is to be added, when its turn comes"


def _answer_unborn(cluster: Cluster, facts: Facts, voter: Voter, report: Report) -> tuple[Cluster, Answer]:
    """Let the life start that has its folder; have a folder made where there is none yet."""
    folder, marker = report.folder, report.marker
    if folder is None or marker is None or not is_made(cluster, voter, report):
        return cluster, _make(cluster, facts, voter)
    answer = _start(cluster, facts, voter, folder)
    if isinstance(answer, Start):
        cluster = cluster.with_voter(replace(voter, folder=marker.folder))
    return cluster, answer


def _make(cluster: Cluster, facts: Facts, voter: Voter) -> Answer:
    epoch = cluster.epoch
    if voter.joined is not None:
        return Join(epoch.number, voter.life)
    if epoch.source.made_of == FROM_NOTHING:
        return New(epoch.number, voter.life)
    file = file_of(cluster, facts)
    if file is None:
        return Wait(f"epoch {epoch.number} begins with a file made of {epoch.source.made_of}, which nobody serves now")
    if epoch.source.made_of == f"member {voter.member}" and not _have_folders(cluster, facts, voter.member):
        return Wait("it serves the file that the others begin with, until they have it")
    return Restore(epoch.number, voter.life, epoch.token, _founders(cluster), file, epoch.bump)


def _have_folders(cluster: Cluster, facts: Facts, besides: int) -> bool:
    """Return whether all others that ask have a folder of this epoch, and enough of them for a quorum with this one."""
    others = [voter for voter in cluster.voters if voter.member != besides]
    have = [voter for voter in others if voter.folder or _is_of_epoch(cluster, facts.report(voter.member))]
    lack = [voter for voter in others if voter not in have and facts.report(voter.member) is not None]
    return not lack and len(have) + 1 >= quorum_of(cluster.epoch.founders)


def _is_of_epoch(cluster: Cluster, report: Report | None) -> bool:
    marker = report.marker if report is not None else None
    return marker is not None and marker.epoch == cluster.epoch.number


def _note_life(cluster: Cluster, voter: Voter, folder: Folder) -> tuple[Cluster, Voter]:
    """Note which life an adopted member is in, as it says itself."""
    voter = replace(voter, life=folder.marker.life if folder.marker is not None else _FIRST_LIFE)
    past = replace(cluster.past_of(voter.member), life=voter.life)
    return cluster.with_voter(voter).with_past(past), voter


def _start(cluster: Cluster, facts: Facts, voter: Voter, folder: Folder) -> Answer:
    epoch = cluster.epoch
    if voter.joined is None:
        has_log = bool(epoch.source.sha256)
        return Start(epoch.number, voter.life, epoch.token, _founders(cluster), 0, has_log)
    if not folder.log and facts.answer_of_quorum() is None:
        # What a member that was cut off knows of the others may be of before they were replaced.
        return Wait("it joins as soon as a quorum answers")
    members = tuple(other.member for other in cluster.voters)
    return Start(epoch.number, voter.life, epoch.token, members, voter.entry)


def _founders(cluster: Cluster) -> tuple[int, ...]:
    """With whom the epoch began, whoever has been replaced since: the cluster's ID is made of that."""
    return tuple(range(cluster.epoch.founders))
