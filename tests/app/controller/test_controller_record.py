import json
from dataclasses import replace

import pytest

from controller.record import (
    DONE,
    Change,
    Kind,
    Past,
    Record,
    RecordError,
    Request,
    Source,
    Voter,
    Wish,
    from_data,
    to_data,
)
from tests.app.controller.cases import counting
from tests.app.controller.explore import Beginning, beginning, run
from tests.app.controller.world import Faults

FULL = replace(
    counting(),
    before=((1, 4711), (2, 4712)),
    voters=(Voter(0, 3, 99, "folder", learner=True, joined=12.5), *counting().voters[1:]),
    past=(Past(0, 3, looped=5.0, looped_life=2),),
    change=Change(Kind.ADD, 1, life=2, learner=True),
    scaling=True,
    discarded=((2, "pod"),),
)


@pytest.mark.parametrize(
    "record",
    [
        Record(),
        Record(counting()),
        Record(replace(FULL, epoch=replace(FULL.epoch, source=Source("chain", "sha", 1, 7), bump=10))),
        Record(FULL, Request("1", Wish.SNAPSHOT, "one"), ("1", DONE), "me"),
        Record(None, Request("1", Wish.MEMBER, member=1)),
    ],
)
def test_what_was_written_is_read(record: Record) -> None:
    data = to_data(record)
    assert all(isinstance(value, str) for value in data.values())
    assert from_data(data) == record


def test_all_that_the_model_comes_to_can_be_written() -> None:
    world = beginning(3, Faults(volumes=2, wishes=1, kills=1, sizes=1), Beginning.NEW)
    run(world, iter(bytes(range(1, 250, 3))))
    assert from_data(to_data(world.record)) == world.record


def test_people_read_the_epoch_and_its_token() -> None:
    data = to_data(Record(counting()))
    assert (data["epoch"], data["token"]) == ("1", "token-1")


def test_the_record_of_the_version_before_is_taken_for_an_empty_one() -> None:
    assert from_data({"epoch": "11", "token": "abc"}) == Record()


def test_a_request_may_be_written_by_hand() -> None:
    data = {"request": '{"id": "x", "wish": "empty"}'}
    assert from_data(data).request == Request("x", Wish.EMPTY)


def test_a_request_is_open_until_it_is_done() -> None:
    record = Record(request=Request("1", Wish.EMPTY))
    assert record.open_request() == record.request
    assert replace(record, step=("0", DONE)).open_request() == record.request
    assert replace(record, step=("1", DONE)).open_request() is None


def damaged(**others: object) -> dict[str, str]:
    data = to_data(Record(counting()))
    return data | {"cluster": json.dumps(json.loads(data["cluster"]) | others)}


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"format": "2"}, "its format is '2'"),
        ({"cluster": "{"}, "key 'cluster' can't be read"),
        ({"cluster": "[]"}, "key 'cluster' can't be read"),
        ({"cluster": "{}"}, "key 'cluster' can't be read: KeyError"),
        (damaged(size="3"), "'3' is no number"),
        (damaged(discarded=[[1, 2]]), "2 is no text"),
        (damaged(change={"kind": "swap"}), "key 'cluster' can't be read"),
        (damaged(voters=[{}]), "key 'cluster' can't be read"),
        ({"request": '{"id": "", "wish": "empty"}'}, "its id is empty"),
        ({"request": '{"id": "x", "wish": "all"}'}, "key 'request' can't be read"),
        ({"request": '{"id": "x", "wish": "snapshot"}'}, "names no snapshot"),
        ({"request": '{"id": "x", "wish": "replace"}'}, "names no member"),
        ({"step": '["x"]'}, "key 'step' can't be read"),
    ],
)
def test_a_record_that_cant_be_read(data: dict[str, str], fault: str) -> None:
    with pytest.raises(RecordError, match=fault):
        from_data(data)
