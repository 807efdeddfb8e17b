import pytest

from service.request_ids import RequestIds


@pytest.mark.parametrize("given", ["x", "a" * 64, "Order-17_of:2026.11", "0"])
def test_the_clients_own_is_kept(given: str) -> None:
    assert RequestIds().id_for(given) == given


@pytest.mark.parametrize("given", [None, "", "a" * 65, "two words", "line\n", "line\r\nSet-Cookie: x", "ü", '"'])
def test_another_takes_the_place_of_one_that_cannot_be_used(given: str | None) -> None:
    ids = RequestIds()
    made = ids.id_for(given)
    assert made != given
    assert ids.id_for(made) == made, "it can be used itself, by the next one that it is handed to"


def test_no_two_are_the_same_at_any_replica() -> None:
    replicas = [RequestIds(), RequestIds()]
    made = [ids.id_for(None) for ids in replicas for _ in range(100)]
    assert len(set(made)) == 200
