from dataclasses import replace

import pytest

from controller.record import Change, Cluster, Kind
from local import cluster_record, controller_service, members
from local.cluster_record import EMPTY, Request
from local.errors import LocalError
from local.remains import stateful_set
from tests.local.fake_backup import NAMESPACE
from tests.local.fake_controller import FakeController, decided, read, set_ready, with_etcd, write
from tests.local.in_memory_kube import InMemoryKube

REQUEST = Request("abc", EMPTY)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "POLL_INTERVAL", 0.0)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for long."""
    monkeypatch.setattr(members, "TIMEOUT", 0.0)


@pytest.fixture
def kube() -> InMemoryKube:
    return with_etcd()


@pytest.fixture(autouse=True)
def controller(kube: InMemoryKube, monkeypatch: pytest.MonkeyPatch) -> FakeController:
    fake = FakeController(kube)
    monkeypatch.setattr(controller_service, "says", fake.says)
    return fake


@pytest.fixture
def reports() -> list[str]:
    return []


# What was asked for.


def test_it_is_waited_for_until_it_is_done(kube: InMemoryKube, controller: FakeController, reports: list[str]) -> None:
    cluster_record.ask(kube, NAMESPACE, REQUEST)
    controller.steps = [lambda: "holds members", controller.finish(decided(epoch=2))]

    record = members.wait_until_done(kube, NAMESPACE, REQUEST, reports.append)

    assert (record.epoch, record.is_done) == (2, True)
    assert reports == ["holds members", "done"]


def test_what_is_done_already_is_not_waited_for(
    kube: InMemoryKube, controller: FakeController, reports: list[str]
) -> None:
    cluster_record.ask(kube, NAMESPACE, REQUEST)
    controller.finish(decided(epoch=2))()

    members.wait_until_done(kube, NAMESPACE, REQUEST, reports.append)

    assert (controller.asked, reports) == (0, [])


@pytest.mark.usefixtures("short")
def test_that_it_takes_too_long_is_told_in_the_controller_s_words(
    kube: InMemoryKube, controller: FakeController, reports: list[str]
) -> None:
    cluster_record.ask(kube, NAMESPACE, REQUEST)
    controller.said = "etcd-2 is silent"

    with pytest.raises(LocalError, match=r"^not done within 0 s; the controller says: etcd-2 is silent$"):
        members.wait_until_done(kube, NAMESPACE, REQUEST, reports.append)


def test_what_somebody_withdrew_is_not_waited_for(
    kube: InMemoryKube, controller: FakeController, reports: list[str]
) -> None:
    cluster_record.ask(kube, NAMESPACE, REQUEST)

    def withdraw() -> str:
        write(kube, replace(read(kube), request=None))
        return "nothing is asked for"

    controller.steps = [withdraw]

    with pytest.raises(LocalError, match=r"^EMPTY=yes was withdrawn, or something else was asked for: None$"):
        members.wait_until_done(kube, NAMESPACE, REQUEST, reports.append)


def test_nor_is_what_another_request_replaced(
    kube: InMemoryKube, controller: FakeController, reports: list[str]
) -> None:
    """Even one for the same: what becomes of it, is for those to see who asked."""
    cluster_record.ask(kube, NAMESPACE, REQUEST)

    def ask_again() -> str:
        cluster_record.ask(kube, NAMESPACE, Request("def", EMPTY))
        return "begins again"

    controller.steps = [ask_again, controller.finish(decided(epoch=2))]

    with pytest.raises(LocalError, match="something else was asked for: EMPTY=yes"):
        members.wait_until_done(kube, NAMESPACE, REQUEST, reports.append)


# All members.


def test_members_that_all_vote_and_are_ready_are_not_waited_for(
    kube: InMemoryKube, controller: FakeController, reports: list[str]
) -> None:
    members.wait_until_whole(kube, NAMESPACE, 3, reports.append)

    assert (controller.asked, reports) == (0, [])


def test_they_are_waited_for_one_by_one(kube: InMemoryKube, controller: FakeController, reports: list[str]) -> None:
    write(kube, replace(read(kube), cluster=decided(members=[0, 2], change=Change(Kind.ADD, 1, life=2))))
    set_ready(kube, 2)
    controller.steps = [
        controller.decide(decided(learners=[1])),
        controller.ready(3),
        controller.decide(decided()),
    ]

    members.wait_until_whole(kube, NAMESPACE, 3, reports.append)

    assert reports == ["decided", "3 are ready", "decided"]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    "cluster",
    [
        pytest.param(decided(members=[0, 2]), id="one has no entry"),
        pytest.param(decided(learners=[1]), id="one does not vote yet"),
        pytest.param(decided(members=[0, 1, 2, 3]), id="one is too many"),
        pytest.param(decided(members=[0, 1, 3]), id="another one"),
        pytest.param(decided(change=Change(Kind.REMOVE, 1, entry=101)), id="one is about to go"),
        pytest.param(decided(scaling=True), id="pods are about to come or go"),
    ],
)
def test_they_are_not_whole_by_what_was_decided(kube: InMemoryKube, cluster: Cluster, reports: list[str]) -> None:
    write(kube, replace(read(kube), cluster=cluster))

    with pytest.raises(LocalError, match=r"^not done within 0 s; the controller says: all is well$"):
        members.wait_until_whole(kube, NAMESPACE, 3, reports.append)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("ready", "replicas"),
    [(2, 3), (3, 4), (4, 4), (4, 3)],
    ids=["one is not ready", "one more is wanted", "one is too many", "one is yet to go"],
)
def test_nor_are_they_by_their_pods(kube: InMemoryKube, ready: int, replicas: int, reports: list[str]) -> None:
    set_ready(kube, ready, replicas)

    with pytest.raises(LocalError, match="not done within"):
        members.wait_until_whole(kube, NAMESPACE, 3, reports.append)


@pytest.mark.usefixtures("short")
def test_nor_are_they_without_a_stateful_set_or_before_it_says_anything(kube: InMemoryKube, reports: list[str]) -> None:
    kube.put({**stateful_set(NAMESPACE), "spec": {"replicas": 3}})
    with pytest.raises(LocalError, match="not done within"):
        members.wait_until_whole(kube, NAMESPACE, 3, reports.append)

    kube.delete(stateful_set(NAMESPACE))
    with pytest.raises(LocalError, match="not done within"):
        members.wait_until_whole(kube, NAMESPACE, 3, reports.append)


def test_as_many_are_waited_for_as_are_wanted(kube: InMemoryKube, reports: list[str]) -> None:
    write(kube, replace(read(kube), cluster=decided(size=1, members=[0])))
    set_ready(kube, 1, 1)

    members.wait_until_whole(kube, NAMESPACE, 1, reports.append)

    assert reports == []
