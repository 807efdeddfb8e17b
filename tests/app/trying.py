"""Many schedules of a model, tried at random from the command line."""

import argparse
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Played(Protocol):
    """A world in which a schedule was run to its end."""

    @property
    def taken(self) -> Iterable[str]:
        """The names of the steps that were taken."""


_World = TypeVar("_World", bound=Played)


@dataclass(frozen=True)
class Model(Generic[_World]):
    """What is tried.

    Attributes:
        description: What the command's help says.
        explore: Runs one schedule. Raises what `violation` is if it breaks a rule.
        violation: An exception.
        found: What is printed of a schedule that breaks one.
        met: What else a schedule met, besides its steps.
        sizes: How many bytes a schedule has, at least and at most.
        schedules: How many are tried if nobody says.
        progress: After how many of them a line is printed.
    """

    description: str | None
    explore: Callable[[bytes], _World]
    violation: type[Exception]
    found: Callable[[bytes], str]
    met: Callable[[_World], Iterable[str]]
    sizes: tuple[int, int]
    schedules: int
    progress: int


def main(model: Model[_World]) -> int:
    """Try many schedules. Returns the exit code: 1 if one of them breaks a rule."""
    parser = argparse.ArgumentParser(
        description=model.description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--schedules", type=int, default=model.schedules)
    parser.add_argument("--seed", type=int, default=None, help="the same seed tries the same schedules")
    arguments = parser.parse_args()
    seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    chance = random.Random(seed)
    started = time.monotonic()
    met: Counter[str] = Counter()
    taken = 0
    for number in range(1, arguments.schedules + 1):
        choices = chance.randbytes(chance.randint(*model.sizes))
        try:
            world = model.explore(choices)
        except model.violation as violation:
            print(f"{violation}, in schedule {number} of seed {seed}: {model.found(choices)}")
            return 1
        steps = list(world.taken)
        taken += len(steps)
        met.update({re.sub(r" [0-9]+", "", name) for name in steps})
        met.update(set(model.met(world)))
        if number % model.progress == 0 or number == arguments.schedules:
            seconds = time.monotonic() - started
            print(f"{number} schedules of {taken / number:.0f} steps in {seconds:.0f} s (seed {seed})", flush=True)
    for name, schedules in sorted(met.items()):
        print(f"  {schedules / arguments.schedules:6.1%} {name}")
    return 0


def call(choices: bytes) -> str:
    """What is typed to run a schedule again."""
    return f"explore(bytes.fromhex({choices.hex()!r}))"
