"""Another number of members: by config and `make up`, while clients increment."""

from pathlib import Path

from chaos.clients import incrementing
from chaos.system import System, eventually
from tests.e2e.conftest import CLUSTER
from tests.e2e.system import copy_of_checkout, make


def volumes(system: System) -> list[str]:
    """The members' claims."""
    claims = system.kubectl("get", "pvc", "-l", "app.kubernetes.io/name=etcd", "-o", "name")
    return claims.split()


def test_three_members_become_one_and_three_again(system: System, tmp_path: Path) -> None:
    before = system.count()
    smaller = copy_of_checkout(tmp_path)
    with (smaller / "Pulumi.dev.yaml").open("a") as file:
        file.write('\n  ha-counter:etcdMembers: "1"\n')
    with incrementing(system, clients=5, keyed=1) as history:
        eventually("increments", lambda: history.told > 100)
        make("up", CLUSTER, smaller)
        assert [pod["metadata"]["name"] for pod in system.ready_pods("etcd")] == ["etcd-0"]
        eventually("claims that go with their members", lambda: len(volumes(system)) == 1)
        counted = history.told
        eventually("increments by one member", lambda: history.told > counted + 100)
        make("up", CLUSTER)
        assert len(system.ready_pods("etcd")) == 3
        counted = history.told
        eventually("increments by three members", lambda: history.told > counted + 100)
    print(f"three members became one and three again: {history.errors} of {len(history.answers)} requests failed")
    assert history.problems(before, system.count()) == []


def test_scaled_by_hand_nothing_is_deleted(system: System) -> None:
    """Only another number in the config is a decision to remove members."""
    count, claims = system.count(), volumes(system)
    system.kubectl("scale", "statefulset", "etcd", "--replicas=0")
    eventually("no member left", lambda: not system.pods("etcd"))
    assert volumes(system) == claims
    system.kubectl("scale", "statefulset", "etcd", "--replicas=3")
    system.wait_until_whole()
    assert (system.count(), volumes(system)) == (count, claims)
