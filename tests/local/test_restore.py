import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from local import cluster_record, etcd_epoch, restore
from local.cluster_record import EMPTY, Restore
from local.errors import LocalError
from local.kube import Object
from local.remains import stateful_set
from tests.local.fake_backup import NAMESPACE, FakeBackup
from tests.local.in_memory_kube import InMemoryKube

WANTED = Restore("SNAPSHOT=latest", "snapshot-1", "ab" * 32, 2, 10**9, 11)
MEMBERS = 3
ETCD = {"app.kubernetes.io/name": "etcd"}
RESTORED = {"epoch": 2, "cluster": "def", "count": 11, "revision": 10**9 + 110}


class Cluster(InMemoryKube):
    """A cluster whose StatefulSet has pods, which go one by one, and which notes what happens in which order."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.stuck: list[str] = []  # pods that don't go
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, "tests")
        spec = {"replicas": MEMBERS, "selector": {"matchLabels": ETCD}}
        self.apply({**stateful_set(NAMESPACE), "spec": spec}, "tests")
        counter = {"namespace": NAMESPACE, "name": "counter-deployment"}
        self.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": counter, "spec": {}}, "tests")
        record = {"namespace": NAMESPACE, "name": "etcd-cluster"}
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": record}, "tests")
        self.make_members()

    def make_members(self) -> None:
        for ordinal in range(MEMBERS):
            metadata = {"namespace": NAMESPACE, "name": f"etcd-{ordinal}", "labels": ETCD}
            self.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})

    def patch(self, item: Object, changes: Object, manager: str) -> None:
        super().patch(item, changes, manager)
        if item["kind"] == "StatefulSet":
            replicas = changes["spec"]["replicas"]
            self.events.append(f"{replicas} replicas, {self.members()} pods")
            if replicas:
                self.make_members()
        else:
            self.events.append(f"record {sorted(changes['data'].items(), key=str)[0][0]}, {self.members()} pods")

    def list(self, api_version: str, kind: str, namespace: str | None = None, selector: str = "") -> list[Object]:
        found = super().list(api_version, kind, namespace, selector)
        scaled_down = self.find("StatefulSet", "etcd")["spec"]["replicas"] == 0
        going = [pod for pod in found if pod["metadata"]["name"] not in self.stuck]
        if scaled_down and selector.endswith("=etcd") and going:
            self.delete({**going[0], "apiVersion": api_version, "kind": kind})
        return found

    def members(self) -> int:
        return len(super().list("v1", "Pod", NAMESPACE, "app.kubernetes.io/name=etcd"))

    def record(self) -> dict[str, str]:
        data: dict[str, str] = self.find("ConfigMap", "etcd-cluster").get("data", {})
        return data


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "POLL_INTERVAL", 0.0)


@pytest.fixture
def kube() -> Cluster:
    return Cluster()


@pytest.fixture
def backup(kube: Cluster) -> Iterator[FakeBackup]:
    fake = FakeBackup()
    fake.live = RESTORED
    with fake.served(kube):
        yield fake


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs that were put into etcd itself."""
    epochs: list[int] = []
    monkeypatch.setattr(etcd_epoch, "put", lambda _kube, _namespace, epoch: epochs.append(epoch))
    return epochs


def carry_out(kube: Cluster, console: Console, wanted: Restore = WANTED) -> str:
    record = cluster_record.read(kube, NAMESPACE)
    return restore.carry_out(kube, NAMESPACE, MEMBERS, record, wanted, console)


@pytest.mark.usefixtures("backup")
def test_members_are_gone_before_the_record_changes_and_start_after_it(kube: Cluster, console: Console) -> None:
    assert carry_out(kube, console) == "epoch 2, count 11"

    assert kube.events == [
        "0 replicas, 3 pods",
        "record bump, 0 pods",
        "0 replicas, 0 pods",
        "3 replicas, 0 pods",
        "record bump, 3 pods",
    ]
    assert {who for _, _, who in kube.patched} == {"ha-counter-restore"}


@pytest.mark.usefixtures("backup")
def test_in_the_end_no_restore_is_under_way(kube: Cluster, console: Console) -> None:
    carry_out(kube, console)

    assert sorted(kube.record()) == ["epoch", "token"]
    assert kube.record()["epoch"] == "2"


@pytest.mark.usefixtures("backup")
def test_each_step_is_told(kube: Cluster, console: Console, printed: io.StringIO) -> None:
    carry_out(kube, console)

    told = [line.partition(":")[0] for line in printed.getvalue().splitlines()]
    assert told == [
        "[1/5] members stopped",
        "[2/5] record written",
        "[3/5] members started from it",
        "[4/5] counters ready",
        "[5/5] count checked",
    ]


class Killed(BaseException):
    """The command ends, as by SIGKILL."""


@pytest.mark.usefixtures("backup")
@pytest.mark.parametrize("patches", range(5))
def test_one_that_is_killed_at_any_step_is_finished_by_the_same_command(
    kube: Cluster, console: Console, monkeypatch: pytest.MonkeyPatch, patches: int
) -> None:
    tokens: set[str] = set()
    left = patches

    def patch(item: Object, changes: Object, manager: str) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        Cluster.patch(kube, item, changes, manager)
        tokens.update({changes["data"]["token"]} if "token" in changes.get("data", {}) else set())

    monkeypatch.setattr(kube, "patch", patch)
    with pytest.raises(Killed):
        carry_out(kube, console)
    left = 99

    assert carry_out(kube, console) == "epoch 2, count 11"
    assert kube.find("StatefulSet", "etcd")["spec"]["replicas"] == MEMBERS
    assert kube.record() == {"epoch": "2", "token": tokens.pop()}
    assert not tokens


@pytest.mark.usefixtures("backup")
def test_members_that_do_not_go_keep_the_record_as_it_was(
    kube: Cluster, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "STOP_TIMEOUT", 0.05)
    kube.stuck = ["etcd-1"]

    with pytest.raises(LocalError, match=r"^etcd-1: still there .*kubectl delete pod --force"):
        carry_out(kube, console)

    assert kube.record() == {}


@pytest.mark.parametrize(
    ("live", "told"),
    [
        ({**RESTORED, "count": 10}, "epoch 2, count 10"),
        ({**RESTORED, "epoch": 1}, "epoch 1, count 11"),
        (None, "the cluster does not answer"),
    ],
)
def test_another_epoch_or_a_lower_count_is_an_error_and_the_restore_stays_under_way(
    kube: Cluster,
    backup: FakeBackup,
    console: Console,
    monkeypatch: pytest.MonkeyPatch,
    live: Object | None,
    told: str,
) -> None:
    monkeypatch.setattr(restore, "CHECK_TIMEOUT", 0.05)
    backup.live = live

    with pytest.raises(LocalError, match=f"epoch 2 with a count of 11 or more, but: {told}\n.*`make restore` goes on"):
        carry_out(kube, console)

    assert cluster_record.read(kube, NAMESPACE).restore == WANTED


def test_the_count_is_waited_for(kube: Cluster, backup: FakeBackup, console: Console) -> None:
    backup.live = None
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        backup.live = {**RESTORED, "count": 14} if looks > 2 else None

    backup.on_overview = look

    assert carry_out(kube, console) == "epoch 2, count 14"


def test_a_restore_file_brings_its_epoch(kube: Cluster, backup: FakeBackup, console: Console, named: list[int]) -> None:
    del backup
    carry_out(kube, console)

    assert named == []


def test_nothing_can_be_begun_with_without_backup(kube: Cluster, console: Console, named: list[int]) -> None:
    outcome = carry_out(kube, console, replace(WANTED, file=EMPTY, bump=None, count=0))

    assert named == [2]
    assert outcome.startswith("epoch 2; the count could not be checked: namespace ha-counter has no Service")
    assert sorted(kube.record()) == ["epoch", "token"]


def test_another_number_of_members_is_refused_before_anything_is_done(kube: Cluster, console: Console) -> None:
    record = cluster_record.read(kube, NAMESPACE)

    with pytest.raises(LocalError, match="has 3 replicas, and the stack's etcdMembers is 5"):
        restore.carry_out(kube, NAMESPACE, 5, record, WANTED, console)

    assert kube.patched == []


def test_what_is_not_deployed_can_not_be_restored(kube: Cluster, console: Console) -> None:
    kube.delete(stateful_set(NAMESPACE))

    with pytest.raises(LocalError, match="there is no StatefulSet ha-counter/etcd; `make up`"):
        carry_out(kube, console)
