"""No quorum answers, and the record is empty: a first start, a deployment of before, or somebody deleted the record."""

from dataclasses import replace

from controller.answers import all_wait
from controller.decision import Case, Decision, pods
from controller.epochs import first
from controller.facts import SILENT, Facts
from controller.record import FIRST_EPOCH
from member.starting import Answer, New, Report, Start, Wait, starts_by_itself


def start_what_is_there(case: Case) -> Decision | None:
    """None answers, the record is empty, and some would start by themselves if nobody answered: let them.

    They can do no harm: where a newer epoch is, they can't be a quorum. When they are one, they are taken over.
    """
    if not _is_empty(case):
        return None
    reports = case.facts.reports()
    if not any(starts_by_itself(report.folder) for report in reports):
        return None
    reason = "the record is empty: the members that have data start, and are taken over when they are a quorum"
    answers: dict[int, Answer] = {report.member: _start_or_wait(report, reason) for report in reports}
    return Decision(
        "start_what_is_there", f"{reason}; where they can't be one, `make restore` decides", answers=answers
    )


def begin(case: Case) -> Decision | None:
    """None answers, the record is empty, nobody has a folder, and backup has no snapshots: the first epoch begins."""
    if not _is_empty(case) or not _is_untouched(case.facts):
        return None
    cluster = first(FIRST_EPOCH, case.token, case.facts.to_begin_with())
    answers: dict[int, Answer] = {
        report.member: New(FIRST_EPOCH, voter.life)
        for report in case.facts.reports()
        if (voter := cluster.voter(report.member)) is not None
    }
    return Decision(
        "begin",
        f"the first epoch begins, with {case.facts.to_begin_with()} members",
        replace(case.record, cluster=cluster),
        (),
        answers,
    )


def wait_for_a_beginning(case: Case) -> Decision | None:
    """None answers, the record is empty, and it is not known that nothing was ever counted: wait, and say for what."""
    if not _is_empty(case):
        return None
    reason = f"the record is empty, and this may be no first start: {_why_not_the_first(case.facts)}"
    return Decision("wait_for_a_beginning", reason, answers=all_wait(case.facts, reason))


def _is_empty(case: Case) -> bool:
    return case.quorum is None and case.record.cluster is None


def _start_or_wait(report: Report, reason: str) -> Answer:
    if not starts_by_itself(report.folder):
        return Wait(reason)
    marker = report.marker
    epoch, life = (marker.epoch, marker.life) if marker is not None else (FIRST_EPOCH, 1)
    return Start(epoch, life, "", (), entry=0)


def _is_untouched(facts: Facts) -> bool:
    """Return whether nothing was ever counted: positively, of all members and of backup."""
    return not _why_not_the_first(facts)


def _why_not_the_first(facts: Facts) -> str:
    """Return what speaks against a first start; "" if nothing does."""
    backup = facts.answer_of_backup()
    if facts.has_backup and backup is None:
        return "backup does not answer, and only it knows whether there are snapshots; it decides when it does"
    if backup is not None and backup.snapshots:
        return "backup has snapshots; `make restore` decides"
    members = facts.who_may_have_data()
    if not members:
        return "there are no pods; `kubectl scale` decides"
    with_data = [member for member in members if _has_data(facts, member)]
    if with_data:
        return f"{pods(with_data)} has data; `make restore` decides"
    silent = [member for member in members if facts.report(member) is None]
    late = [member for member in silent if not _may_be_left_out(facts, member)]
    if late or len(silent) * 2 >= len(members):
        return f"{pods(late or silent)} is silent; it decides when it answers, or `make restore` does"
    return ""


def _has_data(facts: Facts, member: int) -> bool:
    report = facts.report(member)
    return facts.running(member) is not None or (report is not None and report.folder is not None)


def _may_be_left_out(facts: Facts, member: int) -> bool:
    """Return whether a silent member can't have data: there never was a volume for it."""
    seen = facts.seen(member)
    if seen.running is not None or facts.now - seen.silent_since < SILENT:
        return False
    return seen.claim is None or not seen.claim.bound
