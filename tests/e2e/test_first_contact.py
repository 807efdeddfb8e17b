"""What a user sees first: four endpoints, three pods that answer in turn, everything where it should be."""

from collections import Counter

import pytest
import requests

from chaos.system import System
from tests.e2e.system import names, restarts


def test_static_says_who_answers(system: System) -> None:
    answer = system.get("/static").json()
    assert answer["content"] == "meaning of life = 42"
    assert answer["message"] == "Status OK"
    assert answer["pod"] in names(system.pods("counter"))
    assert answer["node"] in {node.name for node in system.layout.nodes}


def test_healthz_counts_the_members(system: System) -> None:
    assert system.get("/healthz").json()["content"] == "etcd members = 3"


def test_fetch_tells_what_increment_counted(system: System) -> None:
    answer = system.get("/increment").json()
    assert set(answer) == {"content", "message"}
    assert answer["message"] == "Status OK"
    assert system.get("/fetch").json()["content"] == answer["content"]


def test_three_pods_answer_in_turn(system: System) -> None:
    answered = Counter(system.get("/static").json()["pod"] for _ in range(60))
    assert set(answered) == names(system.pods("counter"))


def test_every_node_answers(system: System) -> None:
    for node in system.layout.nodes:
        assert requests.get(f"http://{node.address}:{system.port}/static", timeout=10).status_code == 200


def test_localhost_answers(system: System) -> None:
    if not system.layout.serves_localhost:
        pytest.skip("another local cluster has this machine's 127.0.0.1")
    assert requests.get(f"http://127.0.0.1:{system.port}/static", timeout=10).json()["pod"] in names(
        system.pods("counter")
    )


@pytest.mark.parametrize("app", ["etcd", "counter"])
def test_pods_run_on_three_nodes_without_restarts(system: System, app: str) -> None:
    pods = system.pods(app)
    assert len(pods) == 3
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 3
    assert [restarts(pod) for pod in pods] == [0, 0, 0]


def test_members_are_named_as_their_services(system: System) -> None:
    assert names(system.pods("etcd")) == {"etcd-0", "etcd-1", "etcd-2"}
    listed = system.kubectl("exec", "etcd-0", "--", "etcdctl", "member", "list")
    assert all(f"etcd{number}, http://etcd{number}:2380" in listed for number in range(3))


@pytest.mark.parametrize(("path", "method", "status"), [("/nothing", "GET", 404), ("/static", "DELETE", 405)])
def test_wrong_requests_get_json(system: System, path: str, method: str, status: int) -> None:
    answer = requests.request(method, system.address + path, timeout=10)
    assert answer.status_code == status
    assert answer.json()["message"]
