"""Exact under load."""

import uuid

from tests.e2e.load import increment_many
from tests.e2e.system import System


def test_a_thousand_increments_count_a_thousand(system: System) -> None:
    before = system.count()
    history = increment_many(system, total=1000, clients=20)
    assert history.unacknowledged == 0
    assert sorted(history.values) == list(range(before + 1, before + 1001))
    assert system.count() == before + 1000


def test_a_key_counts_once_whichever_replica_is_asked(system: System) -> None:
    before = system.count()
    key = {"Idempotency-Key": uuid.uuid4().hex}
    answers = {system.get("/increment", headers=key).json()["content"] for _ in range(12)}
    assert answers == {f"count value = {before + 1}"}
    assert system.count() == before + 1
