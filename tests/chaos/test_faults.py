import json

import pytest

from chaos import faults
from chaos.faults import FAULTS, named
from chaos.system import Pod, System
from local.errors import LocalError
from local.layout import Layout

SYSTEM = System(Layout("none", 0), 30180)


def test_faults_come_in_the_order_in_which_they_are_named() -> None:
    assert [fault.name for fault in named(["etcd-rolled", "leader-killed"])] == ["etcd-rolled", "leader-killed"]


def test_a_fault_that_is_none_is_named_with_those_that_there_are() -> None:
    with pytest.raises(LocalError, match=r"faults 'node', 'sabotage': no such fault; there are leader-killed, .*"):
        named(["sabotage", "leader-killed", "node"])


def test_no_two_faults_have_the_same_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len({fault.title for fault in FAULTS}) == len(FAULTS)


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three members, of which the second leads, and an election ends only when it is asked for a second time."""
    pods: list[Pod] = [{"metadata": {"name": f"etcd-{n}"}, "spec": {"nodeName": f"node{n + 1}"}} for n in range(3)]
    monkeypatch.setattr(System, "ready_pods", lambda *_: pods)

    def kubectl(_: System, *words: str) -> str:
        assert words[0] == "exec"
        member = int(words[1].removeprefix("etcd-"))
        return json.dumps([{"Status": {"leader": 1, "header": {"member_id": member}}}])

    monkeypatch.setattr(System, "kubectl", kubectl)


@pytest.mark.usefixtures("members")
def test_the_leader_is_told_from_its_followers() -> None:
    leader = faults.leader(SYSTEM)

    assert leader is not None
    assert leader["metadata"]["name"] == "etcd-1"
    assert [pod["metadata"]["name"] for pod in faults.followers(SYSTEM)] == ["etcd-0", "etcd-2"]


@pytest.mark.parametrize(
    ("owners", "name"),
    [
        ("10.0.0.2:8081\n10.0.0.1:8081\n", "counter-2"),
        ("10.0.0.9:8081\n10.0.0.1:8081\n", None),  # it is not ready
        ("", None),
    ],
)
def test_the_eldest_replica_is_known_by_its_address(
    monkeypatch: pytest.MonkeyPatch, owners: str, name: str | None
) -> None:
    def ready_pods(_: System, app: str) -> list[Pod]:
        return [{"metadata": {"name": f"{app}-{n}"}, "status": {"podIP": f"10.0.0.{n}"}} for n in (1, 2)]

    monkeypatch.setattr(System, "ready_pods", ready_pods)
    monkeypatch.setattr(System, "kubectl", lambda *_: owners)
    eldest = faults.eldest(SYSTEM)
    assert (eldest and eldest["metadata"]["name"]) == name


@pytest.mark.usefixtures("members")
def test_a_node_that_was_cut_off_is_connected_again_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(faults, "run", lambda words: commands.append(" ".join(words)))
    monkeypatch.setattr("time.sleep", interrupt)
    [cut] = named(["node-cut"])

    with pytest.raises(KeyboardInterrupt):
        cut.put_in(SYSTEM)

    veth = SYSTEM.layout.nodes[1].veth
    assert commands == [f"ip link set {veth} down", f"ip link set {veth} up"]
