"""As much of raft as membership needs: who may lead, what is committed, and what a member knows of it.

One step is an election and the commit of one entry at once. What raft guarantees is not assumed: a member that leads
has what it has, and the world looks whether it has all that was committed before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from controller.conditions import quorum_of


class Listed(NamedTuple):
    """An entry of the list of members."""

    entry: int
    member: int
    learner: bool


class History(NamedTuple):
    """A log, and what comes of it. `entries` are objects that exist once, so whoever has the last has all of them.

    Attributes:
        epoch: That it began with.
        term: Of the last entry.
        entries: The log.
        listed: The list of members at its end.
        content: The increments that are counted, a bit for each.
        revision: etcd's.
        key: What key `epoch` says.
        counts: Whether replicas count without that key: those of a deployment of before do.
    """

    epoch: int
    term: int
    entries: tuple[object, ...]
    listed: tuple[Listed, ...]
    content: int
    revision: int
    key: int | None
    counts: bool = False

    @property
    def rank(self) -> tuple[int, int]:
        return self.term, len(self.entries)

    def voters(self) -> list[int]:
        return [one.entry for one in self.listed if not one.learner]

    def extends(self, former: "History") -> bool:
        if self.epoch != former.epoch or len(self.entries) < len(former.entries):
            return False
        return not former.entries or self.entries[len(former.entries) - 1] is former.entries[-1]

    def then(self, term: int) -> "History":
        """With an entry that changes nothing yet."""
        return self._replace(term=term, entries=(*self.entries, object()), revision=self.revision + 1)


NOTHING = History(0, 0, (), (), 0, 0, None)


@dataclass(eq=False)
class Data:
    """What a member has on its disk: in which cluster it is as whom, its log, and up to where it knows it committed."""

    cluster: int
    entry: int
    history: History
    committed: History


def may_lead(leader: Data, present: Iterable[Data]) -> list[Data] | None:
    """Those who would follow this member, with itself; None if they are no quorum."""
    voters = leader.history.voters()
    if leader.entry not in voters:
        return None
    rank = leader.history.rank
    followers = [data for data in present if data.entry in voters and data.history.rank <= rank]
    return followers if len(followers) >= quorum_of(len(voters)) else None


def leaders(present: Sequence[Data]) -> list[Data]:
    """Those of one cluster who may lead now, those with most first."""
    first = present[0].history
    if all(data.history is first for data in present):  # nearly always
        voters = set(first.voters())
        able = [data for data in present if data.entry in voters]
        return able if len(able) >= quorum_of(len(voters)) else []
    able = [data for data in present if may_lead(data, present) is not None]
    return sorted(able, key=lambda data: data.history.rank, reverse=True)
