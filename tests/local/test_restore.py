import io
import json
from collections.abc import Iterator
from dataclasses import asdict

import pytest
from rich.console import Console

from local import cluster_record, controller_service, members, restore, rollout
from local.cluster_record import CONTINUE, EMPTY, SNAPSHOT, Request
from local.errors import LocalError
from local.kube import Object
from local.restore_choice import Wanted
from tests.local.fake_backup import NAMESPACE, FakeBackup
from tests.local.fake_controller import RECORD, FakeController, decided, with_etcd
from tests.local.in_memory_kube import InMemoryKube

WANTED = Wanted(Request("abc", SNAPSHOT, "snapshot-1"), "snapshot-1", 11)
NOTHING = Wanted(Request("abc", EMPTY), "nothing", 0)
RESTORED = {"epoch": 2, "cluster": "def", "count": 11, "revision": 10**9 + 110}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (members, restore, rollout):
        monkeypatch.setattr(module, "POLL_INTERVAL", 0.0)
    monkeypatch.setattr(restore, "CHECK_TIMEOUT", 5.0)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for long."""
    monkeypatch.setattr(members, "TIMEOUT", 0.0)
    monkeypatch.setattr(rollout, "TIMEOUT", 0.0)
    monkeypatch.setattr(restore, "CHECK_TIMEOUT", 0.0)


@pytest.fixture
def kube() -> InMemoryKube:
    return with_etcd()


@pytest.fixture(autouse=True)
def controller(kube: InMemoryKube, monkeypatch: pytest.MonkeyPatch) -> FakeController:
    """It does what it is asked to."""
    fake = FakeController(kube)
    fake.steps = fake.restore()
    monkeypatch.setattr(controller_service, "says", fake.says)
    return fake


@pytest.fixture
def backup(kube: InMemoryKube) -> Iterator[FakeBackup]:
    fake = FakeBackup()
    fake.live = RESTORED
    with fake.served(kube):
        yield fake


def carry_out(kube: InMemoryKube, console: Console, wanted: Wanted = WANTED) -> str:
    return restore.carry_out(kube, NAMESPACE, wanted, console)


def requests(kube: InMemoryKube) -> list[Object]:
    """What was asked for, in this order. Nothing else was changed."""
    assert {(what, *changes, *changes["data"]) for what, changes, _ in kube.patched} <= {
        ("ConfigMap ha-counter/etcd-cluster", "data", "request")
    }
    return [json.loads(changes["data"]["request"]) for _, changes, _ in kube.patched]


@pytest.mark.usefixtures("backup")
def test_it_is_asked_for_and_waited_for(kube: InMemoryKube, controller: FakeController, console: Console) -> None:
    assert carry_out(kube, console) == "epoch 2, count 11"

    assert requests(kube) == [{"id": "abc", "wish": "snapshot", "snapshot": "snapshot-1", "member": -1}]
    assert controller.steps == []


@pytest.mark.usefixtures("backup")
def test_each_step_is_told(kube: InMemoryKube, console: Console, printed: io.StringIO) -> None:
    carry_out(kube, console)

    told = [line.partition(":")[0] for line in printed.getvalue().splitlines()]
    assert told == [
        "[1/4] members held, and a new epoch begun",
        "[2/4] members started from it",
        "[3/4] counters ready",
        "[4/4] count checked",
    ]


@pytest.mark.usefixtures("backup")
def test_what_was_asked_for_already_is_not_asked_for_again(kube: InMemoryKube, console: Console) -> None:
    cluster_record.ask(kube, NAMESPACE, WANTED.request)
    kube.patched.clear()

    assert carry_out(kube, console) == "epoch 2, count 11"
    assert requests(kube) == []


@pytest.mark.usefixtures("backup")
def test_it_takes_the_place_of_another_one(kube: InMemoryKube, console: Console) -> None:
    cluster_record.ask(kube, NAMESPACE, Request("of old", CONTINUE))

    carry_out(kube, console)

    assert requests(kube)[1:] == [asdict(WANTED.request)]


@pytest.mark.usefixtures("backup")
def test_as_many_members_are_waited_for_as_there_are_to_be(
    kube: InMemoryKube, controller: FakeController, console: Console
) -> None:
    cluster = decided(epoch=2, size=5, members=range(5))
    controller.steps = [controller.finish(cluster), controller.ready(4, 5), controller.ready(5, 5)]

    assert carry_out(kube, console) == "epoch 2, count 11"
    assert controller.steps == []


@pytest.mark.usefixtures("backup")
@pytest.mark.parametrize("steps", range(4))
def test_one_that_is_cut_off_at_any_time_is_waited_for_by_the_same_command(
    kube: InMemoryKube, controller: FakeController, console: Console, steps: int
) -> None:
    def interrupt() -> str:
        raise KeyboardInterrupt

    left = controller.steps
    controller.steps = [*left[:steps], interrupt]
    with pytest.raises(KeyboardInterrupt):
        carry_out(kube, console)
    controller.steps = left[steps:]

    assert carry_out(kube, console) == "epoch 2, count 11"
    assert len(requests(kube)) == 1


@pytest.mark.usefixtures("backup", "short")
def test_a_controller_that_waits_is_told_in_its_own_words(
    kube: InMemoryKube, controller: FakeController, console: Console
) -> None:
    controller.steps = [lambda: "it waits for a file made of snapshot-1"] * 9

    with pytest.raises(
        LocalError,
        match=r"^not done within 0 s; the controller says: it waits for a file made of snapshot-1\n"
        "The restore is under way all the same: `make restore` waits for it again$",
    ):
        carry_out(kube, console)

    assert cluster_record.read(kube, NAMESPACE).open_request == WANTED.request


@pytest.mark.usefixtures("backup", "short")
def test_members_that_do_not_start_are_told(kube: InMemoryKube, controller: FakeController, console: Console) -> None:
    cluster_record.ask(kube, NAMESPACE, WANTED.request)
    controller.finish(decided(epoch=2, learners=[1]))()
    controller.steps = [lambda: "etcd-1 is not in sync yet"] * 9

    with pytest.raises(LocalError, match="the controller says: etcd-1 is not in sync yet"):
        carry_out(kube, console)


@pytest.mark.usefixtures("backup", "short")
def test_counters_that_are_not_ready_are_told(kube: InMemoryKube, controller: FakeController, console: Console) -> None:
    controller.finish_at_once(WANTED.request)
    counters = kube.find("Deployment", "counter-deployment")
    kube.put({**counters, "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "counter"}}}})

    with pytest.raises(LocalError, match="Deployment ha-counter/counter-deployment: 1 of 2 pods ready"):
        carry_out(kube, console)


@pytest.mark.usefixtures("backup")
@pytest.mark.parametrize(
    ("request_", "told"), [(None, "None"), (Request("def", EMPTY), "EMPTY=yes")], ids=["withdrawn", "replaced"]
)
def test_one_that_somebody_withdrew_or_replaced_is_an_error(
    kube: InMemoryKube, controller: FakeController, console: Console, request_: Request | None, told: str
) -> None:
    def change() -> str:
        data = {"request": json.dumps(asdict(request_)) if request_ else None}
        InMemoryKube.patch(kube, RECORD, {"data": data}, "kubectl")
        return "somebody came"

    controller.steps = [change, *controller.steps]

    with pytest.raises(
        LocalError, match=f"^SNAPSHOT=snapshot-1 was withdrawn, or something else was asked for: {told}$"
    ):
        carry_out(kube, console)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("live", "told"),
    [
        ({**RESTORED, "count": 10}, "epoch 2, count 10"),
        ({**RESTORED, "epoch": 1}, "epoch 1, count 11"),
        (None, "the cluster does not answer"),
    ],
)
def test_another_epoch_or_a_lower_count_in_the_end_is_an_error(
    kube: InMemoryKube,
    controller: FakeController,
    backup: FakeBackup,
    console: Console,
    live: Object | None,
    told: str,
) -> None:
    controller.finish_at_once(WANTED.request)
    backup.live = live

    with pytest.raises(LocalError, match=f"^there should be epoch 2 with a count of 11 or more, but: {told}\n"):
        carry_out(kube, console)


def test_the_count_is_waited_for(kube: InMemoryKube, backup: FakeBackup, console: Console) -> None:
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        backup.live = {**RESTORED, "count": 14} if looks > 2 else None

    backup.on_overview = look

    assert carry_out(kube, console) == "epoch 2, count 14"


def test_the_epoch_that_the_controller_chose_is_waited_for(
    kube: InMemoryKube, controller: FakeController, backup: FakeBackup, console: Console
) -> None:
    controller.steps = controller.restore(epoch=7)
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        backup.live = {**RESTORED, "epoch": 5 + looks}

    backup.on_overview = look

    assert carry_out(kube, console) == "epoch 7, count 11"


def test_of_the_newest_any_count_will_do(kube: InMemoryKube, backup: FakeBackup, console: Console) -> None:
    backup.live = {**RESTORED, "count": 0}

    assert carry_out(kube, console, Wanted(Request("abc", CONTINUE), "the newest", None)) == "epoch 2, count 0"


@pytest.mark.usefixtures("short")
def test_backup_that_does_not_answer_can_not_check(
    kube: InMemoryKube, controller: FakeController, console: Console
) -> None:
    controller.finish_at_once(WANTED.request)

    with pytest.raises(LocalError, match="11 or more, but: namespace ha-counter has no Service etcd-backup"):
        carry_out(kube, console)


def test_nothing_can_be_begun_with_without_backup(kube: InMemoryKube, console: Console) -> None:
    outcome = carry_out(kube, console, NOTHING)

    assert outcome.startswith("epoch 2; the count could not be checked: namespace ha-counter has no Service")
    assert requests(kube) == [asdict(NOTHING.request)]


@pytest.mark.usefixtures("short")
def test_that_it_began_with_nothing_is_checked_where_backup_answers(
    kube: InMemoryKube, controller: FakeController, backup: FakeBackup, console: Console
) -> None:
    controller.finish_at_once(NOTHING.request)
    backup.live = {**RESTORED, "epoch": 1}

    with pytest.raises(LocalError, match="there should be epoch 2 with a count of 0 or more, but: epoch 1, count 11"):
        carry_out(kube, console, NOTHING)


def test_of_what_was_asked_for_before_any_count_will_do(
    kube: InMemoryKube, backup: FakeBackup, console: Console
) -> None:
    """What was to be restored, this command did not see."""
    backup.live = {**RESTORED, "count": 3}
    cluster_record.ask(kube, NAMESPACE, WANTED.request)
    kube.patched.clear()

    assert carry_out(kube, console, restore.going_on_with(WANTED.request)) == "epoch 2, count 3"
    assert requests(kube) == []


def test_what_is_not_deployed_can_not_be_restored(kube: InMemoryKube, console: Console) -> None:
    kube.delete(RECORD)

    with pytest.raises(LocalError, match=r"^there is no ConfigMap ha-counter/etcd-cluster; `make up` makes it$"):
        carry_out(kube, console)

    assert requests(kube) == []
