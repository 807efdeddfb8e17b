"""Try schedules of the counting protocol at random: `make model`.

A schedule is a string of bytes, each of which makes one choice: first how many increments there are and which faults
may happen, then at each step which of those that are possible is taken.
"""

import argparse
import logging
import random
import re
import sys
import time
from collections import Counter
from dataclasses import fields

from counter.requests import Fate, Outcome
from tests.app.counter.schedule import Faults, ViolationError, World

MOST_BYTES = 90

_MOST_INCREMENTS = 6
_KEYS = (None, None, "k", "l")
_REPLICAS = 3

_MOST_FAULTS = Faults(
    timeouts=5,
    give_ups=3,
    expiries=2,
    folds=6,
    crashes=1,
    snapshots=1,
    restores=1,
    compactions=1,
    pauses=2,
    stops=1,
    refusals=2,
    lapses=1,
    half_days=1,
)


def world_of(choices: bytes) -> tuple[World, bytes]:
    """The world that the first of the choices make, and the other choices."""
    left = iter(choices)

    def choose(options: int) -> int:
        return next(left, 0) % options

    increments = 1 + choose(_MOST_INCREMENTS)
    arrivals = [(_KEYS[choose(len(_KEYS))], choose(_REPLICAS)) for _ in range(increments)]
    faults = Faults(**{fault.name: choose(1 + getattr(_MOST_FAULTS, fault.name)) for fault in fields(Faults)})
    world = World([], _REPLICAS, faults, shares=bool(choose(4)))
    if choose(4):  # they have their shards already
        while steps := world.steps():
            world.take(steps[0])
    world.arrivals = arrivals
    return world, bytes(left)


def explore(choices: bytes) -> World:
    """Run one schedule to its end. Raises ViolationError."""
    world, left = world_of(choices)
    latest = ""  # who took the latest step
    for choice in left:
        which, kind = divmod(choice, 4)
        steps = (world.mishaps() if kind == 0 else []) or world.steps()
        if kind == 1:  # one goes on for a while, so that it gets somewhere while others don't
            steps = [step for step in steps if step[0].startswith(latest)] or steps
        if kind == 2:  # one waits for another one to be committed together with: by chance they seldom are
            together = [step for step in steps if step[0].endswith("committed together")]
            steps = together or [step for step in steps if not step[0].endswith("share applied")] or steps
        if steps:
            step = steps[which % len(steps)]
            latest = step[0].partition(":")[0]
            world.take(step)
    world.calm_down()
    return world


def main() -> int:
    """Try many schedules. Returns the exit code: 1 if one of them breaks a rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=None, help="the same seed tries the same schedules")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    chance = random.Random(seed)
    started = time.monotonic()
    met: Counter[str] = Counter()
    taken = 0
    for number in range(1, arguments.schedules + 1):
        choices = chance.randbytes(chance.randint(MOST_BYTES // 2, MOST_BYTES))
        try:
            world = explore(choices)
        except ViolationError as violation:
            print(f"{violation}, in schedule {number} of seed {seed}: explore(bytes.fromhex({choices.hex()!r}))")
            return 1
        taken += len(world.taken)
        met.update({re.sub(r" [0-9]+", "", name) for name in world.taken})
        met.update({f"told {_outcome_of(increment.outcome)}" for increment in world.increments})
        if number % 10_000 == 0 or number == arguments.schedules:
            seconds = time.monotonic() - started
            print(f"{number} schedules of {taken / number:.0f} steps in {seconds:.0f} s (seed {seed})", flush=True)
    for name, schedules in sorted(met.items()):
        print(f"  {schedules / arguments.schedules:6.1%} {name}")
    return 0


def _outcome_of(outcome: Outcome | None) -> str:
    if isinstance(outcome, Fate):
        return repr(outcome.value)
    return "nothing" if outcome is None else "a value"


if __name__ == "__main__":
    sys.exit(main())
