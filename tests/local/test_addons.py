import pytest

from local import addons
from local.errors import LocalError
from local.images import dns_image
from local.kube import Object
from local.layout import Layout
from tests.local.in_memory_kube import InMemoryKube


@pytest.fixture
def kube() -> InMemoryKube:
    """A cluster without add-ons, but with the namespace that each has."""
    fake = InMemoryKube()
    fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}})
    return fake


def add_node(kube: InMemoryKube, name: str, ready: str) -> None:
    conditions = [{"type": "MemoryPressure", "status": "True"}, {"type": "Ready", "status": ready}]
    kube.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"conditions": conditions}})


def add_dns(kube: InMemoryKube, available: int) -> None:
    metadata = {"name": "coredns", "namespace": "kube-system"}
    status = {"availableReplicas": available}
    item: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 2}}
    kube.put({**item, "status": status})


def test_dns_gets_its_image_and_its_address(cluster: Layout, kube: InMemoryKube) -> None:
    addons.apply(cluster, kube)

    [dns] = [item for item in kube.objects() if item["kind"] == "Deployment"]
    [container] = dns["spec"]["template"]["spec"]["containers"]
    assert container["image"] == dns_image()
    assert [item["spec"]["clusterIP"] for item in kube.objects() if item["kind"] == "Service"] == [
        str(cluster.dns_address)
    ]


def test_there_is_one_default_storage_class(cluster: Layout, kube: InMemoryKube) -> None:
    addons.apply(cluster, kube)

    [storage] = [item for item in kube.objects() if item["kind"] == "StorageClass"]
    assert storage["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"


def test_a_cluster_whose_nodes_and_dns_are_ready_is_not_waited_for(cluster: Layout, kube: InMemoryKube) -> None:
    for node in cluster.nodes:
        add_node(kube, node.name, "True")
    add_dns(kube, available=2)

    addons.wait_until_ready(cluster, kube)


@pytest.mark.parametrize(
    ("states", "available", "lacking"),
    [
        ({"node1": "True", "node2": "False", "node3": "Unknown"}, 2, "node2, node3"),
        ({"node1": "True", "node2": "True"}, 2, "node3"),
        ({"node1": "True", "node2": "True", "node3": "True"}, 1, "DNS"),
        ({}, 0, "node1, node2, node3, DNS"),
    ],
)
def test_what_is_not_ready_in_time_is_named(
    cluster: Layout,
    kube: InMemoryKube,
    monkeypatch: pytest.MonkeyPatch,
    states: dict[str, str],
    available: int,
    lacking: str,
) -> None:
    monkeypatch.setattr(addons, "READY_TIMEOUT", -1.0)
    for name, ready in states.items():
        add_node(kube, name, ready)
    add_dns(kube, available)

    with pytest.raises(LocalError, match=f"s: {lacking}; logs: "):
        addons.wait_until_ready(cluster, kube)
