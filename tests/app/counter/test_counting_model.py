"""The counting protocol in every order of events that chance finds, and in those that break it when it is weakened."""

import contextlib
import gc
import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.app.counter.explore import MOST_BYTES, explore
from tests.app.counter.schedule import ViolationError
from tests.app.counter.weakened import WEAKENED, Weakened


@pytest.fixture(autouse=True, scope="module")
def _quiet_and_quick() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    gc.freeze()  # so that what other tests have left is not looked through again and again
    yield
    gc.unfreeze()
    logging.disable(logging.NOTSET)


# `make model` tries many more.
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(choices=st.binary(min_size=MOST_BYTES // 2, max_size=MOST_BYTES))
def test_no_schedule_breaks_the_protocol(choices: bytes) -> None:
    explore(choices)


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
