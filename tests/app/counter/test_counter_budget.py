from collections.abc import Callable

import pytest

from counter import budget
from counter.budget import RECORD_SIZE, Budget
from counter.records import RECORD_LIFE
from tests.app.conftest import Clock

Make = Callable[..., Budget]


@pytest.fixture
def make(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a budget that fills up with so many a second, up to so many."""

    def made(per_second: int, burst: int) -> Budget:
        records = per_second * RECORD_LIFE
        monkeypatch.setattr(budget, "_BURST", burst / records)
        return Budget(records * RECORD_SIZE, clock)

    return made


def test_a_burst_is_taken_and_then_no_more(make: Make) -> None:
    budget = make(per_second=2, burst=3)
    assert [budget.spend() for _ in range(5)] == [True, True, True, False, False]


def test_it_fills_up_steadily(make: Make, clock: Clock) -> None:
    budget = make(per_second=2, burst=3)
    while budget.spend():
        continue
    clock.now += 0.4
    assert not budget.spend()
    clock.now += 0.1
    assert [budget.spend(), budget.spend()] == [True, False]


def test_what_is_not_spent_is_no_larger_burst(make: Make, clock: Clock) -> None:
    budget = make(per_second=2, burst=3)
    clock.now += 3600
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


def test_replicas_share_what_it_fills_up_with(make: Make, clock: Clock) -> None:
    budget = make(per_second=6, burst=3)
    while budget.spend():
        continue
    budget.share(3)
    clock.now += 0.9
    assert [budget.spend(), budget.spend()] == [True, False]
    budget.share(0)  # nobody owns a shard yet
    clock.now += 0.9
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


def test_in_the_life_of_a_record_there_is_room_for_all_that_is_spent(clock: Clock) -> None:
    budget = Budget(room=600_000 * RECORD_SIZE, clock=clock)
    spent = 0
    for _ in range(RECORD_LIFE // 60):
        while budget.spend():
            spent += 1
        clock.now += 60
    assert spent == pytest.approx(600_000 + 30_000, abs=500)


def test_nothing_is_spent_while_members_are_full(clock: Clock) -> None:
    budget = Budget(room=1000 * RECORD_SIZE, clock=clock)
    assert budget.see(1000 * RECORD_SIZE + 1)
    assert budget.is_full
    assert not budget.spend()
    assert not budget.see(2000 * RECORD_SIZE), "that is no news"
    assert budget.see(1000 * RECORD_SIZE)
    assert budget.spend()
