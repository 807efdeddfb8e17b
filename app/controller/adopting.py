"""A quorum answers: what it says is taken over where the record is empty, and never overwritten where it is not."""

from dataclasses import replace

from controller.actions import PutEpoch
from controller.answers import all_wait, answer_all
from controller.decision import Case, Decision, changed, pods
from controller.epochs import newest_known
from controller.record import ADOPTED, ANOTHER, FROM_BEFORE, UNKNOWN_LIFE, Cluster, Epoch, Past, Source, Voter
from controller.resizing import what_is_missing
from controller.standing import standing_actions


def adopt(case: Case) -> Decision | None:
    """A quorum answers, and the record is empty: write down what the quorum says, and that all lives were let start."""
    quorum = case.quorum
    if quorum is None or case.record.cluster is not None:
        return None
    foreign = [entry for entry in quorum.entries if entry.member is None]
    if foreign:
        names = ", ".join(f"{entry.id:x}" for entry in foreign)
        reason = f"etcd's list has entries of nobody that this system knows: {names}; who put them there removes them"
        return Decision("adopt", reason, answers=all_wait(case.facts, reason))
    epoch = newest_known(case.facts) if quorum.epoch is None else quorum.epoch
    voters = tuple(
        Voter(entry.member, UNKNOWN_LIFE, entry.id, ADOPTED, entry.learner)
        for entry in sorted(quorum.entries, key=lambda entry: entry.member or 0)
        if entry.member is not None
    )
    cluster = Cluster(
        epoch=Epoch(epoch, "", quorum.cluster, Source(FROM_BEFORE), formed=True),
        before=(),
        size=max(voter.member for voter in voters) + 1,
        voters=voters,
        past=tuple(Past(voter.member, UNKNOWN_LIFE) for voter in voters),
        scaling=True,
    )
    answered, answers = answer_all(cluster, case.facts)
    return Decision(
        "adopt",
        f"take over the cluster that runs, as epoch {epoch}: {pods([voter.member for voter in voters])}",
        replace(case.record, cluster=answered),
        (PutEpoch(epoch, before_counting=False),) if quorum.epoch is None else (),
        answers,
    )


def note_other_life(case: Case) -> Decision | None:
    """A member that was adopted runs as another life than etcd's list has of it: what is in its folder is no use.

    The record was deleted while it was being replaced, or it missed a restore: nobody else could know.
    """
    cluster = case.cluster
    for voter in cluster.voters:
        running = case.facts.running(voter.member)
        if voter.folder != ADOPTED or running is None:
            continue
        if (running.cluster, running.entry) != (cluster.epoch.cluster, voter.entry):
            cluster = cluster.with_voter(replace(voter, folder=ANOTHER))
    if cluster == case.cluster:
        return None
    says = "a member that was taken over has the folder of a life that was removed"
    return Decision("note_other_life", says, changed(case, cluster), standing_actions(case))


def foreign_quorum(case: Case) -> Decision | None:
    """A quorum answers that is not the record's epoch: by hand, and not to be undone by a program."""
    quorum = case.quorum
    if quorum is None or quorum.cluster == case.cluster.epoch.cluster:
        return None
    former = [number for number, cluster in case.cluster.before if cluster == quorum.cluster]
    which = f"epoch {former[0]}" if former else f"an unknown cluster, {quorum.cluster:x}"
    reason = (
        f"a quorum of {which} answers, and the record is of epoch {case.cluster.epoch.number}: nothing is changed; "
        "whoever did that by hand puts one of both right, or deletes the record: what answers is taken over then"
    )
    return Decision("foreign_quorum", reason, answers=all_wait(case.facts, reason))


def first_quorum(case: Case) -> Decision | None:
    """A quorum answers for the first time in its epoch: write down that something may be counted from now on.

    Only after that the epoch's number is put where no restore file did it: so where the record does not say `formed`,
    an epoch from nothing has counted nothing.
    """
    if case.quorum is None or case.cluster.epoch.formed:
        return None
    cluster = replace(case.cluster, epoch=replace(case.cluster.epoch, formed=True))
    answered, answers = answer_all(cluster, case.facts)
    return Decision("first_quorum", f"epoch {cluster.epoch.number} has a quorum", changed(case, answered), (), answers)


def all_well(case: Case) -> Decision | None:
    """A quorum answers, and there is nothing else to do: whoever asks goes on."""
    if case.quorum is None:
        return None
    answered, answers = answer_all(case.cluster, case.facts)
    says = what_is_missing(case) or "all is well"
    return Decision("all_well", says, changed(case, answered), standing_actions(case), answers)
