"""The record as the controller writes it, and a controller that goes on whenever somebody asks what it does."""

from collections.abc import Callable, Collection
from dataclasses import replace

from controller.record import DONE, FROM_NOTHING, Change, Cluster, Epoch, Record, Source, Voter, from_data, to_data
from local import cluster_record
from local.cluster_record import Request
from local.kube import Kube, Object
from local.remains import namespace_object, stateful_set
from tests.local.fake_backup import NAMESPACE
from tests.local.in_memory_kube import InMemoryKube

RECORD: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": NAMESPACE, "name": "etcd-cluster"}}

MOST_QUESTIONS = 100  # a command that asks more often waits for what will never be

Step = Callable[[], str]


def decided(
    *,
    epoch: int = 1,
    size: int = 3,
    members: Collection[int] = (0, 1, 2),
    learners: Collection[int] = (),
    change: Change | None = None,
    scaling: bool = False,
) -> Cluster:
    """What was decided about members: these have entries, and of them these don't vote yet."""
    return Cluster(
        epoch=Epoch(epoch, "token", 7, Source(FROM_NOTHING)),
        before=(),
        size=size,
        voters=tuple(Voter(member, 1, 100 + member, learner=member in learners) for member in members),
        past=(),
        change=change,
        scaling=scaling,
    )


def with_etcd(cluster: Cluster | None = None) -> InMemoryKube:
    """A cluster with three members that are ready, with counters, and with the record."""
    kube = InMemoryKube()
    kube.apply(namespace_object(NAMESPACE), "tests")
    set_ready(kube, 3)
    counters = {"namespace": NAMESPACE, "name": "counter-deployment"}
    kube.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": counters, "spec": {}}, "tests")
    write(kube, Record(cluster or decided()))
    return kube


def write(kube: InMemoryKube, record: Record) -> None:
    kube.put({**RECORD, "data": to_data(record)})


def read(kube: InMemoryKube) -> Record:
    return from_data(kube.find("ConfigMap", "etcd-cluster").get("data", {}))


def set_ready(kube: InMemoryKube, ready: int, replicas: int = 3) -> None:
    """Have so many of the members be ready."""
    kube.put({**stateful_set(NAMESPACE), "spec": {"replicas": replicas}, "status": {"readyReplicas": ready}})


class FakeController:
    """Does the next of its steps each time it is asked what it does, and says what it did last."""

    def __init__(self, kube: InMemoryKube) -> None:
        self.steps: list[Step] = []
        self.said = "all is well"
        self.asked = 0
        self._kube = kube

    def says(self, kube: Kube, namespace: str) -> str:
        """In the place of `controller_service.says`."""
        assert (kube, namespace) == (self._kube, NAMESPACE)
        self.asked += 1
        assert self.asked < MOST_QUESTIONS
        if self.steps:
            self.said = self.steps.pop(0)()
        return self.said

    def decide(self, cluster: Cluster) -> Step:
        """Write that this was decided."""

        def step() -> str:
            write(self._kube, replace(read(self._kube), cluster=cluster))
            return "decided"

        return step

    def finish(self, cluster: Cluster) -> Step:
        """Write that this was decided, and that with it what was asked for is done."""

        def step() -> str:
            record = read(self._kube)
            assert record.request is not None
            write(self._kube, replace(record, cluster=cluster, step=(record.request.id, DONE)))
            return "done"

        return step

    def finish_at_once(self, request: Request) -> None:
        """Have it be asked for, and done, before anybody looks."""
        cluster_record.ask(self._kube, NAMESPACE, request)
        self.finish(decided(epoch=2))()

    def ready(self, number: int, replicas: int = 3) -> Step:
        """Have so many of the members be ready."""

        def step() -> str:
            set_ready(self._kube, number, replicas)
            return f"{number} are ready"

        return step

    def restore(self, epoch: int = 2) -> list[Step]:
        """What it does if it is asked for a new epoch."""
        return [self.ready(0), self.finish(decided(epoch=epoch)), self.ready(2), self.ready(3)]
