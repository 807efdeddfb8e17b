"""Try schedules of the counting protocol at random: `make model`.

A schedule is a string of bytes, each of which makes one choice: first how many increments there are and which faults
may happen, then at each step which of those that are possible is taken.
"""

import logging
import sys
from dataclasses import fields

from counter.requests import Fate, Outcome
from tests.app import trying
from tests.app.counter.schedule import Faults, ViolationError, World
from tests.app.trying import Model

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
    logging.disable(logging.CRITICAL)
    return trying.main(
        Model(
            description=__doc__,
            explore=explore,
            violation=ViolationError,
            found=trying.call,
            met=lambda world: (f"told {_outcome_of(increment.outcome)}" for increment in world.increments),
            sizes=(MOST_BYTES // 2, MOST_BYTES),
            schedules=200_000,
            progress=10_000,
        )
    )


def _outcome_of(outcome: Outcome | None) -> str:
    if isinstance(outcome, Fate):
        return repr(outcome.value)
    return "nothing" if outcome is None else "a value"


if __name__ == "__main__":
    sys.exit(main())
