"""Try schedules of members, controllers, backup and persons at random.

A schedule is a string of bytes, each of which makes one choice: first how the deployment begins and which faults may
happen, then at each step which of those that are possible is taken.
"""

import pickle
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from enum import Enum, auto
from functools import cache

from tests.app import trying
from tests.app.controller.calm import calm_down, is_whole, pass_of, round_of
from tests.app.controller.world import Faults, ViolationError, World
from tests.app.trying import Model

MOST_BYTES = 100

_MOST_FAULTS = Faults(
    volumes=4,
    logs=1,
    restarts=3,
    outages=2,
    deaths=1,
    kills=2,
    twins=1,
    lost=2,
    late=2,
    unanswered=3,
    absences=1,
    vaults=1,
    wishes=2,
    withdrawals=1,
    replacements=1,
    sizes=2,
    deletions=1,
    corruptions=1,
    loops=1,
    pauses=3,
    deafness=2,
    minorities=3,
)

_SIZES = (3, 3, 3, 5, 1)


class Beginning(Enum):
    """How a schedule finds the deployment."""

    NEW = auto()  # its members have never started
    RUNS = auto()  # it counts
    OF_BEFORE = auto()  # it counts, and no controller has ever been there


_BEGINNINGS = (Beginning.NEW, Beginning.OF_BEFORE, Beginning.RUNS, Beginning.RUNS, Beginning.RUNS)


def world_of(left: Iterator[int]) -> World:
    """The world that the first of the choices make."""

    def choose(options: int) -> int:
        return next(left, 0) % options

    size, has_backup, begins = _SIZES[choose(len(_SIZES))], choose(6) != 0, _BEGINNINGS[choose(len(_BEGINNINGS))]
    # Few kinds of faults at once: with all of them, each would come too seldom to get far.
    faults = Faults(**{fault.name: _some(choose(256), getattr(_MOST_FAULTS, fault.name)) for fault in fields(Faults)})
    return beginning(size, faults, begins, has_backup=has_backup)


def beginning(size: int, faults: Faults, begins: Beginning, *, has_backup: bool = True) -> World:
    """A deployment as the schedule finds it."""
    if begins is Beginning.NEW:
        return World(size, replace(faults), has_backup=has_backup)
    world: World = pickle.loads(_running(size, has_backup))
    if begins is Beginning.OF_BEFORE:
        world.become_one_of_before()
    world.faults = replace(faults)
    return world


def _some(choice: int, most: int) -> int:
    """None, in half of the cases."""
    return 0 if choice % 2 else choice // 2 % (1 + most)


def prepare() -> None:
    """Have all beginnings at hand, as they are when nothing is weakened."""
    for size in set(_SIZES):
        for has_backup in (False, True):
            _running(size, has_backup)


@cache
def _running(size: int, has_backup: bool) -> bytes:
    """A deployment that counts."""
    world = World(size, Faults(), has_backup=has_backup)
    while not is_whole(world):
        round_of(world)
    round_of(world)
    return pickle.dumps(world)


def explore(choices: bytes) -> World:
    """Run one schedule to its end. Raises ViolationError."""
    left = iter(choices)
    world = world_of(left)
    run(world, left)
    return world


def run(world: World, left: Iterator[int]) -> None:
    """Take steps as the choices say. Raises ViolationError."""
    latest = ""  # who took the latest step
    for choice in left:
        which, kind = divmod(choice, 8)
        if kind == 0:  # all goes on for a while
            world.taken.append("a round")
            round_of(world)
            continue
        if kind == 1 and world.controllers:
            controller = world.controllers[which % len(world.controllers)]
            world.taken.append(f"controller {which % len(world.controllers)} decides")
            pass_of(world, controller)
            continue
        steps = (world.mishaps() if kind in (2, 3, 4) else []) or world.steps()
        if kind == 5:  # one goes on for a while, so that it gets somewhere while others don't
            steps = [step for step in steps if step[0].startswith(latest)] or steps
        step = steps[which * 7 % len(steps)]
        latest = step[0].partition(" ")[0]
        world.take(step)
    calm_down(world)


def shortened(choices: bytes, play: Callable[[bytes], object] = explore) -> bytes:
    """Return what is left of a schedule that breaks a rule, with all taken out that is not needed for that."""
    broken = _broken(choices, play)
    size = len(choices) // 2
    while size:
        start = 0
        while start < len(choices):
            shorter = choices[:start] + choices[start + size :]
            if _broken(shorter, play) == broken:
                choices = shorter
            else:
                start += size
        size //= 2
    return choices


def _broken(choices: bytes, play: Callable[[bytes], object]) -> str:
    """Return which rule a schedule breaks, whoever is named by it."""
    try:
        play(choices)
    except ViolationError as violation:
        return re.sub(r"[0-9]+", "", str(violation))
    return ""


def story(choices: bytes) -> str:
    """Return what happens in a schedule, line by line."""
    left = iter(choices)
    world = world_of(left)
    end = "nothing is broken"
    try:
        run(world, left)
    except ViolationError as violation:
        end = str(violation)
    return "\n".join([*(f"  {name}" for name in world.taken), end])


def told(choices: bytes) -> str:
    """Return how to run again what is left of a schedule that breaks a rule, and what happens in it."""
    shortest = shortened(choices)
    return f"{trying.call(shortest)}\n{story(shortest)}"


def main() -> int:
    """Try many schedules. Returns the exit code: 1 if one of them breaks a rule."""
    return trying.main(
        Model(
            description=__doc__,
            explore=explore,
            violation=ViolationError,
            found=told,
            met=lambda world: (f"row {row}" for row in world.rows),
            sizes=(MOST_BYTES // 3, MOST_BYTES),
            schedules=100_000,
            progress=1000,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
