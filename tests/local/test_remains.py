import pytest

from local.kube import Object
from local.ownership import FIELD_MANAGER
from local.remains import (
    left_inside,
    namespace_object,
    namespaces,
    other_objects,
    other_writers,
    snapshots_volumes,
    volumes,
)
from tests.local.in_memory_kube import InMemoryKube, claim


@pytest.fixture
def kube() -> InMemoryKube:
    """A cluster with a namespace `ha-counter` that the engine here made."""
    fake = InMemoryKube()
    fake.apply(namespace_object("ha-counter"), FIELD_MANAGER)
    return fake


def named(kind: str, name: str, namespace: str = "ha-counter", **metadata: object) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"namespace": namespace, "name": name, **metadata}}


# Volumes.


def test_volumes_are_in_the_order_of_the_members(kube: InMemoryKube) -> None:
    for number in (10, 0, 9):
        kube.put(claim(f"data-etcd-{number}"))

    found = [item["metadata"]["name"] for item in volumes(kube, "ha-counter")]

    assert found == ["data-etcd-0", "data-etcd-9", "data-etcd-10"]


@pytest.mark.parametrize(
    "other",
    [
        claim("data-etcd-0", namespace="other"),
        claim("data-etcd-0", of="another-etcd"),
        claim("data-my-etcd-0"),
        claim("etcd-backup"),
    ],
    ids=["of another namespace", "of another workload", "of another name", "of no member"],
)
def test_volumes_of_others_are_not_ours(kube: InMemoryKube, other: Object) -> None:
    kube.put(other)

    assert volumes(kube, "ha-counter") == []


def test_the_snapshots_volume_is_in_the_nfs_server_s_namespace(kube: InMemoryKube) -> None:
    mine = claim("data-nfs-0", namespace="ha-counter-nfs", of="nfs")
    for each in [mine, claim("data-nfs-1", namespace="ha-counter-nfs", of="nfs"), claim("data-nfs-0", of="other")]:
        kube.put(each)

    assert [item["metadata"]["namespace"] for item in snapshots_volumes(kube, "ha-counter-nfs")] == ["ha-counter-nfs"]
    assert snapshots_volumes(kube, "ha-counter") == []


def test_what_is_left_inside_tells_of_volumes_and_epochs(kube: InMemoryKube) -> None:
    kube.put(claim("data-etcd-0"))
    kube.put(claim("mine", of="etcd"))
    kube.put(named("ConfigMap", "etcd-cluster"))
    kube.put(claim("data-nfs-0", namespace="ha-counter-nfs", of="nfs"))

    inside = {
        where: [item["metadata"]["name"] for item in left_inside(kube, where)]
        for where in ("ha-counter", "ha-counter-nfs")
    }

    assert inside == {"ha-counter": ["data-etcd-0", "etcd-cluster"], "ha-counter-nfs": ["data-nfs-0"]}


# The namespaces.


def test_the_nfs_server_s_namespace_goes_last(kube: InMemoryKube) -> None:
    kube.apply(namespace_object("ha-counter-nfs"), FIELD_MANAGER)

    assert namespaces(kube, "ha-counter") == ["ha-counter", "ha-counter-nfs"]


@pytest.mark.parametrize("entries", [[], [{"manager": "kubectl-create"}]], ids=["nobody known", "somebody else"])
def test_a_namespace_of_its_name_that_no_engine_wrote_to_is_not_ours(kube: InMemoryKube, entries: list[Object]) -> None:
    other = namespace_object("ha-counter-nfs")
    kube.put({**other, "metadata": {**other["metadata"], "managedFields": entries}})

    assert namespaces(kube, "ha-counter") == ["ha-counter"]


def test_without_an_nfs_server_there_is_one_namespace(kube: InMemoryKube) -> None:
    assert namespaces(kube, "ha-counter") == ["ha-counter"]


# Who made the namespace.


def test_of_a_namespace_that_an_engine_made_there_are_no_other_writers(kube: InMemoryKube) -> None:
    assert other_writers(kube, "ha-counter") == []


def test_the_cli_s_name_is_known(kube: InMemoryKube) -> None:
    """As infra/ sets it; see there."""
    kube.apply(namespace_object("of-the-cli"), "ha-counter")

    assert other_writers(kube, "of-the-cli") == []


def test_of_a_namespace_that_there_is_not_either(kube: InMemoryKube) -> None:
    assert other_writers(kube, "nowhere") == []


def test_who_made_a_namespace_that_was_taken_over_is_told(kube: InMemoryKube) -> None:
    kube.apply(namespace_object("theirs"), "kubectl-create")
    kube.apply({**namespace_object("theirs"), "metadata": {"name": "theirs", "labels": {"a": "b"}}}, "ha-counter")

    assert other_writers(kube, "theirs") == ["kubectl-create"]


def test_what_a_controller_writes_to_a_part_does_not_count(kube: InMemoryKube) -> None:
    entries = [{"manager": "ha-counter"}, {"manager": "kube-controller-manager", "subresource": "status"}]
    kube.put({**namespace_object("ours"), "metadata": {"name": "ours", "managedFields": entries}})

    assert other_writers(kube, "ours") == []


def test_a_namespace_of_which_nothing_is_known_is_not_ours(kube: InMemoryKube) -> None:
    kube.put(namespace_object("old"))

    assert other_writers(kube, "old") == ["somebody unknown"]


# What else is in it.


def test_other_objects_are_told_by_kind_and_name(kube: InMemoryKube) -> None:
    kube.put(named("Secret", "theirs"))
    kube.put(claim("data-my-etcd-0"))

    assert other_objects(kube, "ha-counter") == [
        "PersistentVolumeClaim ha-counter/data-my-etcd-0",
        "Secret ha-counter/theirs",
    ]


@pytest.mark.parametrize(
    "item",
    [
        claim("data-etcd-0"),
        claim("data-nfs-0", of="nfs"),
        named("ConfigMap", "etcd-cluster"),
        named("Service", "svc-counter", labels={"app.kubernetes.io/part-of": "ha-counter"}),
        named("Pod", "etcd-0", ownerReferences=[{"kind": "StatefulSet", "name": "etcd"}]),
        named("ConfigMap", "kube-root-ca.crt"),
        named("ServiceAccount", "default"),
        named("Secret", "theirs", namespace="other"),
    ],
    ids=[
        "volume",
        "snapshots' volume",
        "record",
        "the deployment's",
        "made for another",
        "root certificate",
        "default account",
        "elsewhere",
    ],
)
def test_these_are_no_others(kube: InMemoryKube, item: Object) -> None:
    kube.put({**item, "spec": {}})

    assert other_objects(kube, "ha-counter") == []
