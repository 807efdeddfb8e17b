"""No quorum answers, and there may be one again: members start, and whoever is missed is named."""

from controller.answers import ahead, all_wait, answer_all
from controller.conditions import (
    Condition,
    condition,
    configurations,
    file_of,
    is_ahead,
    is_made,
    may_be_quorum,
    quorum_of,
)
from controller.decision import Case, Decision, changed, pods
from controller.record import FROM_BEFORE
from controller.standing import standing_actions


def newer_than_the_record(case: Case) -> Decision | None:
    """None answers, and a folder is newer than the record: an old record was put back, and decides nothing."""
    found = [report.member for report in case.facts.reports() if is_ahead(case.cluster, report.member, report.folder)]
    if not found:
        return None
    wait = ahead(case.cluster)
    answers = all_wait(case.facts, f"the folder of {pods(found)} is newer than the record")
    return Decision(
        "newer_than_the_record", f"{pods(found)}: {wait.reason}", answers={**answers, **dict.fromkeys(found, wait)}
    )


def go_on_uncounted(case: Case) -> Decision | None:
    """None answers, and fewer than a quorum of those that the epoch was made with were ever let start: go on with it.

    Nothing was counted in it, so lives that were not let start are given out as before. The epoch does not rise only
    because nobody has started yet: each new one would begin before the last one could.
    """
    epoch = case.cluster.epoch
    if epoch.formed or epoch.source.made_of == FROM_BEFORE or not may_be_quorum(case.cluster, case.facts):
        return None
    started = [voter for voter in case.cluster.voters if voter.folder]
    if len(started) >= quorum_of(epoch.founders):
        return None
    answered, answers = answer_all(case.cluster, case.facts)
    waits = [voter.member for voter in case.cluster.voters if _is_missed(case, voter.member)]
    says = f"epoch {epoch.number} begins"
    if waits:
        says += f", and waits for {pods(waits)}; if they don't come, `make restore` decides"
    if _is_file_missed(case):
        # Who has it may be silent for ever, and be no member any more.
        says += (
            f", and waits for the file made of {epoch.source.made_of}, which nobody serves now; if nobody does, "
            "`make restore` decides"
        )
    return Decision("go_on_uncounted", says, changed(case, answered), standing_actions(case), answers)


def _is_file_missed(case: Case) -> bool:
    """Return whether members that are yet to begin need the epoch's file, and nobody has it."""
    cluster, facts = case.cluster, case.facts
    if not cluster.epoch.source.sha256 or file_of(cluster, facts) is not None:
        return False
    unborn = [voter for voter in cluster.voters if not voter.folder]
    return not all(is_made(cluster, voter, facts.report(voter.member)) for voter in unborn)


def come_back(case: Case) -> Decision:
    """None answers, and there may be one again: start who has data; where that is too few, say who is missed."""
    answered, answers = answer_all(case.cluster, case.facts)
    return Decision("come_back", _who_is_missed(case), changed(case, answered), standing_actions(case), answers)


def _who_is_missed(case: Case) -> str:
    conditions = {voter.member: condition(case.cluster, case.facts, voter) for voter in case.cluster.voters}
    gone = [member for member, how in conditions.items() if how is Condition.GONE]
    silent = [member for member, how in conditions.items() if how is not Condition.GONE and _is_missed(case, member)]
    here = len(conditions) - len(gone) - len(silent)
    if all(here >= quorum_of(len(voters)) for voters in configurations(case.cluster)):
        return "members start, and will be a quorum; if they never are, `make restore` decides"
    since = min((case.facts.now, *(case.facts.seen(member).silent_since for member in silent)))
    lost = f"; the data of {pods(gone)} are gone" if gone else ""
    return (
        f"too few members are there: {pods(silent)} is missed, for {case.facts.now - since:.0f} s{lost}. It comes back "
        "by itself; if it is gone for good, `make replace-member N=...` or `make restore` decides"
    )


def _is_missed(case: Case, member: int) -> bool:
    """Return whether nothing is heard of a member."""
    return case.facts.report(member) is None and case.facts.running(member) is None
