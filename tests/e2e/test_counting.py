"""Exact under load."""

import uuid

from chaos.clients import incrementing
from chaos.system import System, eventually


def test_each_of_a_thousand_increments_counts_one(system: System) -> None:
    before = system.count()
    with incrementing(system, clients=20) as history:
        eventually("a thousand increments", lambda: history.told >= 1000)
    assert history.errors == 0
    assert sorted(history.values) == list(range(before + 1, before + history.told + 1))
    assert system.count() == before + history.told


def test_a_key_counts_once_whichever_replica_is_asked(system: System) -> None:
    before = system.count()
    key = {"Idempotency-Key": uuid.uuid4().hex}
    answers = {system.get("/increment", headers=key).json()["content"] for _ in range(12)}
    assert answers == {f"count value = {before + 1}"}
    assert system.count() == before + 1
