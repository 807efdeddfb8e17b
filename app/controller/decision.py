"""What a decision is made from, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from controller.actions import Action
from controller.facts import Facts, Quorum
from controller.record import Cluster, Record
from member.starting import Answer


@dataclass(frozen=True)
class Case:
    """What a decision is made from.

    Attributes:
        record: What was decided before.
        facts: How things are.
        token: A random token, for an epoch that begins now.
        cluster: The record's; rows about a record that is not empty are given no other.
        quorum: What a quorum says now; None: none answers.
    """

    record: Record
    facts: Facts
    token: str
    cluster: Cluster
    quorum: Quorum | None


@dataclass(frozen=True)
class Decision:
    """What is decided.

    Attributes:
        row: The name of the row that fitted.
        says: A sentence for the log: what is done, or what is waited for and which command decides.
        record: What to write by compare-and-set before anything else is done; None: it stays.
        actions: What is to be done then.
        answers: What each member that asks is told then.
    """

    row: str
    says: str
    record: Record | None = None
    actions: tuple[Action, ...] = ()
    answers: Mapping[int, Answer] = field(default_factory=dict)


@dataclass
class Decided:
    """What was decided last, for those who want to see it; `trouble`: why nothing can be decided now."""

    decision: Decision | None = None
    trouble: str = ""


def changed(case: Case, cluster: Cluster) -> Record | None:
    """Return the record with `cluster`, or None if that is what it says already."""
    return None if cluster == case.cluster else replace(case.record, cluster=cluster)


def pods(members: list[int]) -> str:
    """Return the pods' names, for a sentence."""
    return ", ".join(f"etcd-{member}" for member in members)
