"""How the pods of a workload are kept on different nodes."""

from enum import StrEnum

import pulumi_kubernetes as k8s


class Spread(StrEnum):
    """How strictly pods of a kind are kept on different nodes."""

    PREFERRED = "preferred"
    REQUIRED = "required"


def spread_over_nodes(
    spread: Spread, selector: dict[str, str], revision_label: str | None = None
) -> k8s.core.v1.TopologySpreadConstraintArgs:
    """Keep the number of pods on any two nodes within one of each other.

    Args:
        spread: `REQUIRED` leaves a pod pending rather than break this, `PREFERRED` does not.
        selector: Labels of the pods that are counted.
        revision_label: A label whose value differs between revisions of the workload. Only pods of the same revision
            are counted then. A rolling update that starts new pods before it stops old ones needs this: otherwise the
            old pods take all the room that `REQUIRED` leaves.
    """
    return k8s.core.v1.TopologySpreadConstraintArgs(
        topology_key="kubernetes.io/hostname",
        max_skew=1,
        when_unsatisfiable="DoNotSchedule" if spread is Spread.REQUIRED else "ScheduleAnyway",
        label_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector),
        match_label_keys=None if revision_label is None else [revision_label],
        # A dead node is tainted. It must not count as an empty one, which the replacements of its pods would wait for.
        node_taints_policy="Honor",
    )
