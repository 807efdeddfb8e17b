"""No quorum answers, and none can any more: a new epoch begins from the newest source, once all of them are known."""

from collections.abc import Set
from dataclasses import dataclass

from controller.actions import Action, DeletePod, MakeFile
from controller.answers import all_wait
from controller.conditions import Condition, condition, is_ahead, may_be_quorum
from controller.decision import Case, Decision, changed, pods
from controller.epochs import following, next_number
from controller.facts import SILENT
from controller.record import FROM_NOTHING, Cluster, Voter
from member.starting import Answer, File, Report, Save


@dataclass(frozen=True)
class Sources:
    """What is known of the sources of a new epoch.

    Attributes:
        files: Made of those that are known.
        lacking: What is not known yet, in words. While there is something, nothing is decided.
        actions: What makes it known.
        answers: For those that are to make a file of their folder.
    """

    files: tuple[File, ...]
    lacking: tuple[str, ...]
    actions: tuple[Action, ...]
    answers: dict[int, Answer]

    def newest(self) -> File | None:
        """Return the one to begin with; None if there is none, or not all are known."""
        if self.lacking:
            return None
        return max(self.files, key=lambda file: (file.epoch, file.revision, file.made_of == "chain"), default=None)


def begin_anew(case: Case) -> Decision | None:
    """None answers or can, and the epoch began with nothing and never had a quorum: nothing was counted in it.

    So another one begins with nothing. (Counters count nothing where key `epoch` is not there; it is put only after the
    record says `formed`.)
    """
    epoch = case.cluster.epoch
    if epoch.source.made_of != FROM_NOTHING or epoch.formed or may_be_quorum(case.cluster, case.facts):
        return None
    cluster = following(case, None)
    says = f"epoch {epoch.number} lost members before anything was counted: epoch {cluster.epoch.number} begins anew"
    return Decision("begin_anew", says, changed(case, cluster))


def restore(case: Case) -> Decision | None:
    """None answers, and so many say that their data are gone that the rest can't be one: restore the newest source.

    Wait while a source is not known: backup is silent or has nothing that can be restored, a member that may have more
    is silent, or a file is still being made.
    """
    if may_be_quorum(case.cluster, case.facts):
        return None
    return continue_from_newest(case, frozenset(), "the data of too many members are gone")


def continue_from_newest(case: Case, gone: Set[int], why: str) -> Decision:
    """Begin the next epoch from the newest source, or say which one is waited for.

    Args:
        case: What is decided from.
        gone: The members of which a person says that they don't come back.
        why: Why there is to be a new epoch.
    """
    sources = known_sources(case, gone)
    newest = sources.newest()
    if newest is None:
        lacking = "; ".join(sources.lacking) or "there is nothing to restore from; `make restore EMPTY=yes` decides"
        reason = f"{why}, and a restore waits: {lacking}"
        return Decision(
            "restore",
            reason,
            actions=(*sources.actions, *stop_running(case)),
            answers=all_wait(case.facts, reason) | sources.answers,
        )
    cluster = following(case, newest)
    says = (
        f"{why}: epoch {cluster.epoch.number} begins from {newest.made_of}, "
        f"revision {newest.revision} of epoch {newest.epoch}"
    )
    return Decision("restore", says, changed(case, cluster), stop_running(case))


def known_sources(case: Case, gone: Set[int]) -> Sources:
    """Return all that a new epoch may begin with: backup's chain, and every folder that a member reports."""
    files: list[File] = []
    lacking: list[str] = []
    actions: list[Action] = []
    answers: dict[int, Answer] = {}
    made_for = next_number(case)
    for report in case.facts.reports():
        if not _is_source(case, report):
            continue
        if report.file is not None and report.file.made_for == made_for:
            files.append(report.file)
        elif not report.unusable:
            lacking.append(f"etcd-{report.member} makes a file of what it has")
            answers[report.member] = Save(made_for, "others can't be a quorum any more, and may need what it has")
    lacking += [f"etcd-{member} is stopped, and says what it has" for member in _running(case)]
    _add_chain(case, made_for, files, lacking, actions)
    lacking += _silent(case, gone)
    return Sources(tuple(files), tuple(lacking), tuple(actions), answers)


def stop_running(case: Case) -> tuple[DeletePod, ...]:
    """Delete the pods of those that run: so they ask, and are told what to do. Alone they would run on for ever."""
    return tuple(DeletePod(member, case.facts.seen(member).pod) for member in _running(case))


def _running(case: Case) -> list[int]:
    return [
        member for member, seen in case.facts.members.items() if seen.pod and case.facts.running(member) is not None
    ]


def _is_source(case: Case, report: Report) -> bool:
    folder = report.folder
    return folder is not None and folder.log and not is_ahead(case.cluster, report.member, folder)


def _add_chain(case: Case, made_for: int, files: list[File], lacking: list[str], actions: list[Action]) -> None:
    if not case.facts.has_backup:
        return
    backup = case.facts.answer_of_backup()
    if backup is None:
        lacking.append("backup is silent; it goes on when it answers, or `make restore` decides")
        return
    chain = backup.chain
    if chain is None:
        lacking.append("backup has no proven snapshot; `make restore` decides")
        return
    made = [
        file
        for file in backup.files
        if (file.made_of, file.made_for, file.epoch) == ("chain", made_for, chain.epoch)
        and file.revision >= chain.revision
    ]
    files += made[:1]
    if not made:
        lacking.append(f"backup makes a file of its snapshots and log{backup.fault and f' ({backup.fault})'}")
        actions.append(MakeFile("chain", made_for))


def _silent(case: Case, gone: Set[int]) -> list[str]:
    """Return who says nothing and may have more than all others."""
    voters = [
        voter.member for voter in case.cluster.voters if condition(case.cluster, case.facts, voter) is Condition.SILENT
    ]
    found = [
        member
        for member in sorted({*voters, *_silent_without_vote(case)} - gone)
        if case.facts.now - case.facts.seen(member).silent_since < SILENT or not case.facts.log_did_not_lag()
    ]
    if not found:
        return []
    return [
        f"{pods(found)} is silent and may have more; `make replace-member N=...` or `make restore` decides without it"
    ]


def _silent_without_vote(case: Case) -> list[int]:
    """Return who says nothing, and may have the folder of a life before.

    It was removed just before the others lost their data, or it has yet to begin anew.
    """
    cluster = case.cluster
    return [
        past.member
        for past in cluster.past
        if not _has_no_former_life(cluster, cluster.voter(past.member)) and _may_have_a_folder(case, past.member)
    ]


def _has_no_former_life(cluster: Cluster, voter: Voter | None) -> bool:
    """Return whether it was let start as what it is now, or never was anything else: then there is no older folder."""
    if voter is None:
        return False
    return voter.folder != "" or (voter.joined is None and not cluster.before)


def _may_have_a_folder(case: Case, member: int) -> bool:
    """Return whether a member that says nothing has a volume, and a pod that will tell what is on it."""
    facts, seen = case.facts, case.facts.seen(member)
    if facts.report(member) is not None or facts.running(member) is not None:
        return False
    if (member, seen.pod) in case.cluster.discarded:
        return False
    if seen.claim is None or not seen.claim.bound or seen.claim.leaving:
        return False
    return bool(seen.pod) or facts.scale is None or member < facts.scale.replicas
