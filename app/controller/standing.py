"""What is done beside whatever row fits, as long as there is something to do: none of it can take a quorum away."""

from controller.actions import Action, DeleteClaim, DeletePod, PutEpoch, ScalePods
from controller.decision import Case
from controller.record import FROM_BEFORE


def standing_actions(case: Case) -> tuple[Action, ...]:
    """Return all of it, for a record that is not empty."""
    return (
        *_stop_strays(case),
        *_put_epoch(case),
        *_discard(case),
        *_scale_up(case),
        *_delete_surplus_claims(case),
    )


def _stop_strays(case: Case) -> tuple[Action, ...]:
    """Delete the pods of members that run as another epoch or life than the record's, so that they ask.

    Once etcd runs, nobody in the pod asks any more; and alone it stays up.
    """
    return tuple(
        DeletePod(member, seen.pod)
        for member, seen in case.facts.members.items()
        if seen.pod and (running := case.facts.running(member)) and (running.cluster, running.entry) not in _own(case)
    )


def _own(case: Case) -> set[tuple[int, int]]:
    """Whom a member of this epoch may take itself for. One that is just added may be there before the record knows."""
    entries = {voter.entry for voter in case.cluster.voters}
    if case.quorum is not None:
        entries |= {entry.id for entry in case.quorum.entries}
    return {(case.cluster.epoch.cluster, entry) for entry in entries}


def _put_epoch(case: Case) -> tuple[Action, ...]:
    """Have the cluster say which epoch it is, where no restore file did. The record says `formed` before that."""
    epoch, quorum = case.cluster.epoch, case.quorum
    if quorum is None or quorum.epoch is not None or not epoch.formed:
        return ()
    return (PutEpoch(epoch.number, before_counting=epoch.source.made_of != FROM_BEFORE),)


def _discard(case: Case) -> tuple[Action, ...]:
    """Delete the pods of which somebody said that they are gone for good, with their claims, claims first.

    Entries go before pods: one that has come back meanwhile may be needed for the quorum until its entry is gone.
    """
    actions: list[Action] = []
    for member, pod in case.cluster.discarded:
        seen, voter = case.facts.seen(member), case.cluster.voter(member)
        if seen.pod != pod or (voter is not None and voter.folder):
            continue
        if seen.claim is not None and not seen.claim.leaving:
            actions.append(DeleteClaim(member, seen.claim.uid))
        else:
            actions.append(DeletePod(member, pod, force=True))
    return tuple(actions)


def _scale_up(case: Case) -> tuple[Action, ...]:
    """Have as many pods as were decided on, quorum or not: they may be needed for one. Fewer only with a quorum."""
    cluster, scale = case.cluster, case.facts.scale
    if case.quorum is not None or not cluster.scaling or scale is None or scale.replicas >= cluster.size:
        return ()
    return (ScalePods(cluster.size, scale.version),)


def _delete_surplus_claims(case: Case) -> tuple[Action, ...]:
    """Delete the claims of members that are not wanted any more, when their entries and pods are gone."""
    cluster = case.cluster
    if case.quorum is None or cluster.scaling or cluster.change is not None:
        return ()
    return tuple(
        DeleteClaim(member, seen.claim.uid)
        for member, seen in case.facts.members.items()
        if member >= cluster.size and cluster.voter(member) is None and not seen.pod and seen.claim is not None
        if not seen.claim.leaving
    )
