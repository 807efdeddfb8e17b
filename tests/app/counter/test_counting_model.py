"""The counting protocol in every order of events that chance finds, and in those that break it when it is weakened."""

import contextlib
import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.app.counter.schedule import Faults, ViolationError, World
from tests.app.counter.weakened import WEAKENED, Weakened

# How many schedules are tried: `make model` asks for more.
SCHEDULES = int(os.environ.get("MODEL_SCHEDULES", "5000"))

_replica = st.integers(0, 2)
_arrivals = st.lists(st.tuples(st.sampled_from([None, None, "k", "l"]), _replica), min_size=1, max_size=6)
_faults = st.builds(Faults, *[st.integers(0, most) for most in (4, 2, 3, 4, 2, 1, 1, 1)])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@settings(max_examples=SCHEDULES, deadline=None, suppress_health_check=list(HealthCheck))
@given(arrivals=_arrivals, faults=_faults, choices=st.binary(max_size=90))
def test_no_schedule_breaks_the_protocol(
    arrivals: list[tuple[str | None, int]], faults: Faults, choices: bytes
) -> None:
    world = World(arrivals, replicas=3, faults=faults)
    for choice in choices:
        steps = list(world.steps().values())
        if not steps:
            break
        steps[choice % len(steps)]()
    world.calm_down()


@pytest.mark.parametrize("weakened", [pytest.param(weakened, id=name) for name, weakened in WEAKENED.items()])
def test_the_model_finds_what_is_weakened(weakened: Weakened, monkeypatch: pytest.MonkeyPatch) -> None:
    weakened.weaken(monkeypatch)
    world = weakened.world()
    with pytest.raises(ViolationError):
        world.play(weakened.schedule)


@pytest.mark.parametrize("weakened", [pytest.param(weakened, id=name) for name, weakened in WEAKENED.items()])
def test_the_same_schedule_does_no_harm_to_the_whole_protocol(weakened: Weakened) -> None:
    world = weakened.world()
    world.is_restore_bumped = True
    with contextlib.suppress(KeyError):  # it goes another way from where it is stronger
        world.play(weakened.schedule)
    world.calm_down()
