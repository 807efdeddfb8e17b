"""A quorum answers, and another number of members is wanted: entries before pods when it shrinks, pods before entries
when it grows.
"""

from dataclasses import replace

from controller.actions import Action, ScalePods
from controller.answers import answer_all
from controller.decision import Case, Decision, changed, pods
from controller.facts import Quorum
from controller.membership import action_of, begun, is_joining, removal
from controller.record import Cluster, Voter
from controller.standing import standing_actions


def resize(case: Case) -> Decision | None:
    """A quorum answers, and more or fewer members are wanted than the record says, or the pods don't follow it yet.

    The StatefulSet is scaled only when that number changes: what somebody scales by hand stays.
    """
    quorum = case.quorum
    if quorum is None:
        return None
    cluster = case.cluster
    if case.facts.wanted != cluster.size:
        cluster = replace(cluster, size=case.facts.wanted, scaling=True)
        return _decided(case, cluster, f"{case.facts.wanted} members are wanted")
    surplus = [voter for voter in cluster.voters if voter.member >= cluster.size]
    if surplus:
        return _remove_one(case, quorum, surplus)
    if cluster.scaling:
        return _scale(case, cluster)
    return None


def _remove_one(case: Case, quorum: Quorum, surplus: list[Voter]) -> Decision | None:
    """Begin the removal of one, the leader last. None while somebody must come first."""
    if is_joining(case, quorum):
        return None
    by_turn = sorted(surplus, key=lambda voter: (voter.entry == quorum.leader, -voter.member))
    change = removal(quorum, by_turn[0].entry, by_turn[0].member)
    if change is None:
        return None
    return _decided(case, begun(case.cluster, change), f"remove etcd-{change.member}: it is not wanted any more")


def _scale(case: Case, cluster: Cluster) -> Decision | None:
    scale = case.facts.scale
    if scale is None:
        return None
    if scale.replicas == cluster.size:
        return _decided(case, replace(cluster, scaling=False), f"there are {cluster.size} pods")
    return _decided(case, cluster, f"have {cluster.size} pods, not {scale.replicas}")


def _decided(case: Case, cluster: Cluster, says: str) -> Decision:
    answered, answers = answer_all(cluster, case.facts)
    change = action_of(cluster.change) if cluster.change is not None else ()
    actions = (*change, *pods_to_follow(case, cluster), *standing_actions(case))
    return Decision("resize", says, changed(case, answered), actions, answers)


def pods_to_follow(case: Case, cluster: Cluster) -> tuple[Action, ...]:
    """Return what gives the StatefulSet its pods: more of them at once, fewer when all entries are gone."""
    scale = case.facts.scale
    if not cluster.scaling or scale is None:
        return ()
    needed = max([cluster.size, *(voter.member + 1 for voter in cluster.voters)])
    return (ScalePods(needed, scale.version),) if needed != scale.replicas else ()


def what_is_missing(case: Case) -> str:
    """Return a sentence on what keeps the cluster from being whole, for the log; "" if nothing does."""
    cluster, quorum = case.cluster, case.quorum
    lacking = [member for member in range(cluster.size) if cluster.voter(member) is None]
    ill = [
        voter.member
        for voter in cluster.voters
        if quorum is not None and not any(entry.healthy for entry in quorum.entries if entry.id == voter.entry)
    ]
    if quorum is not None and 0 in quorum.corrupt:
        return (
            "a CORRUPT alarm says that members' data differ, and not whose are wrong: there is no majority for either; "
            "`make restore` decides"
        )
    if quorum is not None and quorum.corrupt:
        damaged = pods([voter.member for voter in cluster.voters if voter.entry in quorum.corrupt])
        return (
            f"a CORRUPT alarm stands for {damaged}: it is replaced once the others can be a quorum without it; "
            "`make restore` decides otherwise"
        )
    if not lacking and not ill:
        return ""
    return (
        f"not all is well: {pods(sorted({*lacking, *ill}))} must come, or be well again; `make replace-member "
        "N=...` says that a volume or node is gone for good"
    )
