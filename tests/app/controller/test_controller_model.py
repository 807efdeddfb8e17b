"""The decisions and the launchers in every order of events that chance finds, and in those that break them when they
are weakened. `make model` tries many more.
"""

import gc
import random
from collections.abc import Iterator

import pytest

from tests.app.controller.explore import MOST_BYTES, explore, prepare, told
from tests.app.controller.weakened import WEAKENED, Weakened
from tests.app.controller.world import ViolationError

_SCHEDULES = 400

# Each is found among far fewer from its seed; a change of the world may make it more.
_SCHEDULES_TO_FIND_A_WEAKNESS = 3000


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    prepare()
    gc.freeze()  # so that what other tests have left is not looked through again and again
    yield
    gc.unfreeze()


def test_no_schedule_breaks_a_rule() -> None:
    chance = random.Random(1)  # the same each time: `make model` tries many more
    for _ in range(_SCHEDULES):
        choices = chance.randbytes(chance.randint(MOST_BYTES // 3, MOST_BYTES))
        try:
            explore(choices)
        except ViolationError:
            pytest.fail(told(choices))


@pytest.mark.parametrize("weakened", [pytest.param(weakened, id=name) for name, weakened in WEAKENED.items()])
def test_the_model_finds_what_is_weakened(weakened: Weakened, monkeypatch: pytest.MonkeyPatch) -> None:
    weakened.weaken(monkeypatch)
    assert weakened.find(_SCHEDULES_TO_FIND_A_WEAKNESS) is not None


@pytest.mark.parametrize("weakened", [pytest.param(weakened, id=name) for name, weakened in WEAKENED.items()])
def test_the_same_schedules_do_no_harm_when_nothing_is_weakened(weakened: Weakened) -> None:
    assert weakened.find(schedules=10) is None
