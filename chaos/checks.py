"""What must hold when the experiment is over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaos import history, leftovers
from chaos.effects import Effect
from chaos.experiment import Experiment
from chaos.system import System
from local.errors import LocalError


@dataclass(frozen=True)
class Check:
    """Something that must hold, and what speaks against it."""

    name: str
    problems: list[str]


def exactness(system: System, experiment: Experiment) -> list[Check]:
    """Whether the counter has counted what it was asked to, and etcd holds nothing else."""
    return [
        Check("the count is exact", history.problems(experiment.answers, experiment.before, experiment.after)),
        Check("the shards are folded", _problems(lambda: _unfolded(system))),
        Check("the members hold the same", _problems(lambda: _differences(system))),
    ]


def goals(effects: Sequence[Effect]) -> Check:
    """Whether clients saw no more of the faults than they may."""
    return Check("the goals are met", [miss for effect in effects for miss in effect.misses])


def _problems(look: Callable[[], list[str]]) -> list[str]:
    """What is found, or why nothing can be."""
    try:
        return look()
    except LocalError as error:
        return [str(error)]


def _unfolded(system: System) -> list[str]:
    leftovers.wait_until_folded(system)
    return [f"left for good: {key}" for key in leftovers.left_for_good(system)]


def _differences(system: System) -> list[str]:
    hashes = leftovers.member_hashes(system)
    if len({member.hash for member in hashes}) == 1:
        return []
    return [f"{member.member} has the hash {member.hash} at revision {member.revision}" for member in hashes]
