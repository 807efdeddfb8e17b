from counter.budget import Budget
from tests.app.conftest import Clock


def test_a_burst_is_taken_and_then_no_more(clock: Clock) -> None:
    budget = Budget(per_second=2, burst=3, clock=clock)
    assert [budget.spend() for _ in range(5)] == [True, True, True, False, False]


def test_it_fills_up_steadily(clock: Clock) -> None:
    budget = Budget(per_second=2, burst=3, clock=clock)
    while budget.spend():
        continue
    clock.now += 0.4
    assert not budget.spend()
    clock.now += 0.1
    assert [budget.spend(), budget.spend()] == [True, False]


def test_what_is_not_spent_is_no_larger_burst(clock: Clock) -> None:
    budget = Budget(per_second=2, burst=3, clock=clock)
    clock.now += 3600
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


def test_replicas_share_what_it_fills_up_with(clock: Clock) -> None:
    budget = Budget(per_second=6, burst=3, clock=clock)
    while budget.spend():
        continue
    budget.share(3)
    clock.now += 0.9
    assert [budget.spend(), budget.spend()] == [True, False]
    budget.share(0)  # nobody owns a shard yet
    clock.now += 0.9
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]
