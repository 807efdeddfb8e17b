"""What happens while a replica counts, for whoever wants to know."""

from typing import Literal

from counter.requests import Outcome
from etcd.events import EtcdEvents

# Of one attempt to commit: whether etcd applied it, did not and will not, or gave no answer.
Commit = Literal["applied", "refused", "ambiguous"]


class Events(EtcdEvents):
    """Called when something has happened, by many threads. Here nobody wants to know: derive from this to do so."""

    def commit_ended(self, commit: Commit) -> None:
        """An attempt to commit a batch has ended."""

    def batch_counted(self, increments: int) -> None:
        """A batch of so many increments is known to be counted."""

    def batches_merged(self, batches: int) -> None:
        """One transaction has committed the batches of so many replicas, this one's or not."""

    def doubt_arose(self) -> None:
        """An attempt went unanswered, and none of the same increments before it."""

    def doubt_resolved(self) -> None:
        """It was found out what became of the attempts that went unanswered."""

    def increment_answered(self, outcome: Outcome) -> None:
        """A client is told how its increment ended."""

    def shard_folded(self, increments: int) -> None:
        """This replica has added a shard of so many increments to the base."""
