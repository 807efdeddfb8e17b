import json
from dataclasses import replace

import pytest

from controller.record import DONE, HOLDING, Change, Kind, Record, Wish, to_data
from local import cluster_record
from local.cluster_record import CONTINUE, EMPTY, MEMBER, REPLACE, SNAPSHOT, ClusterRecord, Request, new_request
from local.errors import LocalError
from tests.local.fake_backup import NAMESPACE
from tests.local.fake_controller import RECORD, decided, read, with_etcd, write
from tests.local.in_memory_kube import InMemoryKube

REQUEST = Request("abc", SNAPSHOT, "snapshot-1")


@pytest.fixture
def kube() -> InMemoryKube:
    return with_etcd()


# What is read.


def test_what_the_controller_decided_is_read(kube: InMemoryKube) -> None:
    write(kube, Record(decided(epoch=4, size=5, members=[0, 2, 3, 4], learners=[4])))

    assert cluster_record.read(kube, NAMESPACE) == ClusterRecord(4, 5, (0, 2, 3), False, None, False)


@pytest.mark.parametrize(
    ("change", "scaling"), [(Change(Kind.REMOVE, 1, entry=101), False), (None, True)], ids=["a member", "pods"]
)
def test_that_something_is_added_or_removed_is_read(kube: InMemoryKube, change: Change | None, scaling: bool) -> None:
    write(kube, Record(decided(change=change, scaling=scaling)))

    assert cluster_record.read(kube, NAMESPACE).is_changing


@pytest.mark.parametrize(("data", "epoch"), [({}, 1), ({"epoch": "3", "token": "of the version before"}, 3)])
def test_before_anything_was_decided_there_are_no_members(kube: InMemoryKube, data: dict[str, str], epoch: int) -> None:
    kube.put({**RECORD, "data": data})

    assert cluster_record.read(kube, NAMESPACE) == ClusterRecord(epoch, 0, (), False, None, False)


def test_one_without_any_data_is_as_empty(kube: InMemoryKube) -> None:
    kube.put(RECORD)

    assert cluster_record.read(kube, NAMESPACE).epoch == 1


def test_without_one_it_is_said_what_makes_it() -> None:
    with pytest.raises(LocalError, match="there is no ConfigMap ha-counter/etcd-cluster; `make up`"):
        cluster_record.read(InMemoryKube(), NAMESPACE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epoch": "two"},
        {"cluster": "{"},
        {"cluster": "{}"},
        {"cluster": "[]"},
        {"request": "empty"},
        {"request": '{"wish": "empty"}'},
        {"request": '{"id": "a", "wish": "empty", "what": 1}'},
    ],
)
def test_one_that_can_not_be_read_is_told(kube: InMemoryKube, wrong: dict[str, str]) -> None:
    kube.put({**RECORD, "data": wrong})

    with pytest.raises(LocalError, match=r"^ConfigMap ha-counter/etcd-cluster can't be read: "):
        cluster_record.read(kube, NAMESPACE)


# What is asked for.


@pytest.mark.parametrize(
    ("request_", "wish", "snapshot", "member"),
    [
        (new_request(CONTINUE), Wish.CONTINUE, "", -1),
        (new_request(SNAPSHOT, "snapshot-1"), Wish.SNAPSHOT, "snapshot-1", -1),
        (new_request(EMPTY), Wish.EMPTY, "", -1),
        (new_request(REPLACE, member=2), Wish.REPLACE, "", 2),
    ],
    ids=[CONTINUE, SNAPSHOT, EMPTY, REPLACE],
)
def test_it_is_what_the_controller_reads(
    kube: InMemoryKube, request_: Request, wish: Wish, snapshot: str, member: int
) -> None:
    cluster_record.ask(kube, NAMESPACE, request_)

    asked = read(kube).open_request()
    assert asked is not None
    assert (asked.id, asked.wish, asked.snapshot, asked.member) == (request_.id, wish, snapshot, member)


def test_it_is_written_beside_what_was_decided(kube: InMemoryKube) -> None:
    cluster_record.ask(kube, NAMESPACE, REQUEST)

    told = {"id": "abc", "wish": "snapshot", "snapshot": "snapshot-1", "member": -1}
    [(what, changes, who)] = kube.patched
    assert (what, list(changes), list(changes["data"])) == ("ConfigMap ha-counter/etcd-cluster", ["data"], ["request"])
    assert json.loads(changes["data"]["request"]) == told
    assert who == "ha-counter-request"
    assert read(kube).cluster == decided()


def test_it_is_read_as_it_was_asked(kube: InMemoryKube) -> None:
    cluster_record.ask(kube, NAMESPACE, REQUEST)

    record = cluster_record.read(kube, NAMESPACE)
    assert record.request == record.open_request == REQUEST
    assert not record.is_done


def test_it_takes_the_place_of_what_was_asked_before(kube: InMemoryKube) -> None:
    cluster_record.ask(kube, NAMESPACE, REQUEST)
    cluster_record.ask(kube, NAMESPACE, Request("def", EMPTY))

    assert cluster_record.read(kube, NAMESPACE).request == Request("def", EMPTY)


@pytest.mark.parametrize(
    ("step", "is_done"), [(("abc", DONE), True), (("abc", HOLDING), False), (("another", DONE), False)]
)
def test_it_is_done_when_the_controller_says_so_of_this_one(
    kube: InMemoryKube, step: tuple[str, str], is_done: bool
) -> None:
    cluster_record.ask(kube, NAMESPACE, REQUEST)
    write(kube, replace(read(kube), step=step))

    record = cluster_record.read(kube, NAMESPACE)
    assert record.is_done is is_done
    assert record.open_request == (None if is_done else REQUEST)


def test_that_what_was_withdrawn_was_done_is_no_matter(kube: InMemoryKube) -> None:
    kube.put({**RECORD, "data": to_data(Record(decided(), step=("abc", DONE)))})

    assert not cluster_record.read(kube, NAMESPACE).is_done


def test_one_by_hand_may_leave_out_what_it_does_not_need(kube: InMemoryKube) -> None:
    kube.patch(RECORD, {"data": {"request": '{"id": "mine", "wish": "empty"}'}}, "kubectl")

    assert cluster_record.read(kube, NAMESPACE).open_request == Request("mine", EMPTY, "", -1)


def test_no_two_are_the_same() -> None:
    assert new_request(EMPTY) != new_request(EMPTY)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (Request("a", CONTINUE), "SNAPSHOT=latest"),
        (REQUEST, "SNAPSHOT=snapshot-1"),
        (Request("a", EMPTY), "EMPTY=yes"),
        (Request("a", REPLACE, member=2), "replace-member N=2"),
        (Request("a", MEMBER, member=2), "member 2"),
    ],
    ids=[CONTINUE, SNAPSHOT, EMPTY, REPLACE, MEMBER],
)
def test_it_is_named_as_it_is_typed(request_: Request, text: str) -> None:
    assert str(request_) == text
