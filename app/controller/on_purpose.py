"""What a person asks for: a new epoch, or to take a member for gone. First all that could go on is put on hold."""

from dataclasses import replace

from controller.actions import Action, MakeFile
from controller.answers import all_wait
from controller.conditions import Condition, condition, configurations, is_life, may_be_quorum, quorum_of
from controller.decision import Case, Decision, pods
from controller.epochs import following, next_number
from controller.facts import Facts
from controller.membership import action_of, begun, removal
from controller.record import DONE, HOLDING, UNKNOWN_LIFE, Cluster, Request, Voter, Wish
from controller.restoring import continue_from_newest, stop_running
from controller.standing import standing_actions
from member.marker import Marker, State
from member.starting import Answer, File, Hold, Report, Save, Wait

# Why the epoch rises.
_ASKED = "a person asked for it"


def on_purpose(case: Case) -> Decision | None:
    """A person asks for something: that is done before all else, whether or not a quorum answers."""
    request = case.record.open_request()
    if request is None or (case.record.cluster is None and case.quorum is not None):
        # What runs is taken over first: without knowing the voters nobody knows when all of them are on hold.
        return None
    if request.wish is Wish.REPLACE:
        return _replace(case, request)
    return _restore(case, request)


def what_is_left_of(case: Case) -> str:
    """Return what a request that is not done yet waits for, for the log, while another row decides."""
    request = case.record.open_request()
    if request is None or request.wish is not Wish.REPLACE:
        return ""
    return (
        f"etcd-{request.member} is replaced, as was asked for, once the others can be a quorum without it, or can't be "
        "one at all; `make restore` decides otherwise"
    )


def _replace(case: Case, request: Request) -> Decision | None:
    """Take a member for gone: with a quorum it is removed; without one, a new epoch begins if all rests on it."""
    if case.record.cluster is None:
        return None
    cluster = case.cluster
    voter = cluster.voter(request.member)
    discarded = _with_discarded(case, request.member)
    if voter is None:
        return _done(case, request, discarded, f"etcd-{request.member} has no entry; its pod and claim are deleted")
    if case.quorum is not None:
        change = removal(case.quorum, voter.entry, voter.member) if cluster.change is None else None
        if change is None or case.quorum.cluster != cluster.epoch.cluster:
            return None
        return _done(case, request, begun(discarded, change), f"etcd-{request.member} is taken for gone, and replaced")
    if may_be_quorum(cluster, case.facts, {request.member}):
        return None
    taken_for_gone = replace(case, cluster=discarded)
    return _hold(case, request) or _done_by(request, continue_from_newest(taken_for_gone, {request.member}, _ASKED))


def _restore(case: Case, request: Request) -> Decision:
    """Begin a new epoch from what is asked for, once nobody can be a quorum of the present one."""
    held = _hold(case, request)
    if held is not None:
        return held
    if request.wish is Wish.CONTINUE:
        everybody = frozenset({*case.facts.members, *(voter.member for voter in case.cluster.voters)})
        return _done_by(request, continue_from_newest(case, everybody, _ASKED))
    if request.wish is Wish.EMPTY:
        return _risen(case, request, None)
    return _restore_from(case, request)


def _restore_from(case: Case, request: Request) -> Decision:
    """Begin with the snapshot or the member's folder that was named."""
    made_for = next_number(case)
    made_of = f"snapshot {request.snapshot}" if request.wish is Wish.SNAPSHOT else f"member {request.member}"
    files = case.facts.files()
    file = next((file for file in files if (file.made_of, file.made_for) == (made_of, made_for)), None)
    if file is not None:
        return _risen(case, request, file)
    reason = f"a restore was asked for, and waits for a file made of {made_of}; `make restore` may ask for another one"
    answers = all_wait(case.facts, reason)
    if request.wish is Wish.MEMBER:
        if request.member in answers:
            answers[request.member] = Save(made_for, reason)
        return Decision("on_purpose", reason, actions=stop_running(case), answers=answers)
    backup = case.facts.answer_of_backup()
    fault = "" if backup is None or not backup.fault else f": {backup.fault}"
    actions: tuple[Action, ...] = (MakeFile(made_of, made_for), *stop_running(case))
    return Decision("on_purpose", reason + fault, actions=actions, answers=answers)


def _hold(case: Case, request: Request) -> Decision | None:
    """Put on hold whoever could go on; None once those who are not can't be a quorum.

    Where no record says who votes, each of them may be a quorum by itself.
    """
    loose = [
        [voter.member for voter in voters if not is_bound(case.cluster, case.facts, voter, request)]
        for voters in configurations(case.cluster)
    ]
    is_known = case.record.cluster is not None
    enough = [quorum_of(len(voters)) if is_known else 1 for voters in configurations(case.cluster)]
    if not any(len(members) >= size for members, size in zip(loose, enough, strict=True)):
        return None
    waited_for = sorted({member for members in loose for member in members})
    reason = (
        f"what was asked for waits until these are on hold, or say that their data are gone: {pods(waited_for)}; "
        "of a node that is gone for good, `kubectl delete` the pod by force, and its claim"
    )
    answers: dict[int, Answer] = {
        report.member: _held_or_wait(case.cluster, report, request, reason) for report in case.facts.reports()
    }
    record = None if case.record.step == (request.id, HOLDING) else replace(case.record, step=(request.id, HOLDING))
    return Decision("on_purpose", reason, record, stop_running(case), answers)


def is_bound(cluster: Cluster, facts: Facts, voter: Voter, request: Request) -> bool:
    """Return whether a voter can't go on: its data are gone, it never started, or it is on hold for this request.

    Who is on hold stays that until the controller lets it start: so it may be silent since.
    """
    if condition(cluster, facts, voter) in (Condition.GONE, Condition.UNBORN):
        return True
    seen = facts.seen(voter.member)
    if seen.heard is None or seen.running is not None:
        return False
    marker = seen.heard.report.marker
    return marker is not None and (is_on_hold(marker, request) or _was_never_let_start(voter, marker))


def is_on_hold(marker: Marker, request: Request) -> bool:
    """Return whether a marker says that its member is on hold for this very request: not for one that was withdrawn."""
    return marker.state is State.HELD and marker.request == request.id


def _was_never_let_start(voter: Voter, marker: Marker) -> bool:
    return marker.state is State.MADE and marker.folder != voter.folder


def _held_or_wait(cluster: Cluster, report: Report, request: Request, reason: str) -> Answer:
    """Hold whatever could start, and has not been put on hold for this request."""
    folder, voter = report.folder, cluster.voter(report.member)
    if folder is None or voter is None or not (folder.log or is_life(cluster, voter, folder)):
        return Wait(reason)
    marker = folder.marker
    if marker is not None and (is_on_hold(marker, request) or _was_never_let_start(voter, marker)):
        return Wait(reason)
    life = voter.life if voter.life != UNKNOWN_LIFE else 1
    return Hold(request.id, cluster.epoch.number, life)


def _risen(case: Case, request: Request, file: File | None) -> Decision:
    cluster = following(case, file)
    says = f"epoch {cluster.epoch.number} begins from {file.made_of if file else 'nothing'}, as was asked for"
    record = replace(case.record, cluster=cluster, step=(request.id, DONE))
    return Decision("on_purpose", says, record, stop_running(case))


def _with_discarded(case: Case, member: int) -> Cluster:
    pod = case.facts.seen(member).pod
    if not pod or (member, pod) in case.cluster.discarded:
        return case.cluster
    return replace(case.cluster, discarded=(*case.cluster.discarded, (member, pod)))


def _done(case: Case, request: Request, cluster: Cluster, says: str) -> Decision:
    record = replace(case.record, cluster=cluster, step=(request.id, DONE))
    actions = action_of(cluster.change) if cluster.change is not None else ()
    return Decision("on_purpose", says, record, (*actions, *standing_actions(case)))


def _done_by(request: Request, decision: Decision) -> Decision:
    """Note that the request is done, if the decision writes the record at all."""
    record = None if decision.record is None else replace(decision.record, step=(request.id, DONE))
    return replace(decision, row=on_purpose.__name__, record=record)
