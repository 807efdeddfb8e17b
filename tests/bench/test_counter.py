from collections.abc import Collection

import pytest

from bench import answers
from bench import counter as module
from bench.counter import DeployedCounter
from local.errors import LocalError
from tests.local.in_memory_kube import InMemoryKube

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"namespace": "ha-counter", "name": "counter-deployment"},
    "spec": {
        "replicas": 3,
        "progressDeadlineSeconds": 120,
        "template": {"spec": {"containers": [{"image": "localhost:5001/counter@sha256:1"}]}},
    },
}


def pod(name: str, app: str = "counter") -> dict[str, object]:
    metadata = {"namespace": "ha-counter", "name": name, "labels": {"app.kubernetes.io/name": app}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


@pytest.fixture
def kube() -> InMemoryKube:
    kube = InMemoryKube()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ha-counter"}}
    for item in (namespace, DEPLOYMENT, pod("counter-b"), pod("counter-a"), pod("etcd-0", app="etcd")):
        kube.put(item)
    return kube


@pytest.fixture
def counter(kube: InMemoryKube) -> DeployedCounter:
    return DeployedCounter(kube, "ha-counter", "http://10.0.0.1:30180")


def test_the_image_is_what_its_pods_run(counter: DeployedCounter) -> None:
    assert counter.image() == "localhost:5001/counter@sha256:1"


def test_a_counter_that_is_not_deployed_is_told() -> None:
    with pytest.raises(LocalError, match="Deployment ha-counter/counter-deployment: it is not deployed"):
        DeployedCounter(InMemoryKube(), "ha-counter", "").image()


def test_scaled_it_has_so_many_pods_each_of_which_answered(
    kube: InMemoryKube, counter: DeployedCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[tuple[str, Collection[str]]] = []
    monkeypatch.setattr(answers, "wait_for_pods", lambda server, pods: waited.append((server, pods)))

    counter.scale(2)

    live = kube.find("Deployment", "counter-deployment")
    assert (live["spec"]["replicas"], live["spec"]["template"]) == (2, DEPLOYMENT["spec"]["template"])  # type: ignore[index]
    assert waited == [("http://10.0.0.1:30180", ["counter-a", "counter-b"])]


def test_a_pod_that_does_not_end_is_named(counter: DeployedCounter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)

    with pytest.raises(LocalError, match=r"counter-a, counter-b are there .* scaled to 1 pods"):
        counter.scale(1)
