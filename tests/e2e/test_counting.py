"""Exact under load."""

from tests.e2e.load import increment_many
from tests.e2e.system import System


def test_a_thousand_increments_count_a_thousand(system: System) -> None:
    before = system.count()
    history = increment_many(system, total=1000, clients=20)
    assert history.unacknowledged == 0
    assert sorted(history.values) == list(range(before + 1, before + 1001))
    assert system.count() == before + 1000
