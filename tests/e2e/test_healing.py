"""Lost parts come back by themselves, and the count stays exact."""

import time

import pytest

from chaos.clients import incrementing
from chaos.faults import leader
from chaos.system import System, eventually
from counter.replica import PATIENCE
from tests.e2e.system import restarts, uids


def test_counters_wait_for_etcd_and_go_on_from_the_same_count(system: System) -> None:
    system.get("/increment")
    count = system.count()
    replicas = uids(system.pods("counter"))

    system.kubectl("scale", "statefulset", "etcd", "--replicas=0")
    try:
        eventually("no member left", lambda: not system.pods("etcd"))
        eventually("no replica ready", lambda: not system.ready_pods("counter"))
        pods = system.pods("counter")
        assert uids(pods) == replicas
        assert [restarts(pod) for pod in pods] == [0, 0, 0]
    finally:
        system.kubectl("scale", "statefulset", "etcd", "--replicas=3")

    system.wait_until_whole()
    assert system.count() == count
    assert uids(system.pods("counter")) == replicas
    assert [restarts(pod) for pod in system.pods("counter")] == [0, 0, 0]


def test_without_etcd_a_replica_says_so_in_time(system: System) -> None:
    """Asked inside the pod: the Service leads to no replica that is not ready."""
    system.kubectl("scale", "statefulset", "etcd", "--replicas=0")
    try:
        eventually("no member left", lambda: not system.pods("etcd"))
        eventually("no replica ready", lambda: not system.ready_pods("counter"))
        for path in ("/increment", "/fetch", "/healthz"):
            answer = system.kubectl("exec", "deploy/counter-deployment", "--", "python", "-c", ASK_ONESELF, path)
            status, kind, seconds, body = answer.split(maxsplit=3)
            assert (status, kind) == ("503", "application/json")
            assert float(seconds) < PATIENCE + 1
            assert "message" in body
    finally:
        system.kubectl("scale", "statefulset", "etcd", "--replicas=3")
    assert "Traceback" not in system.kubectl("logs", "deploy/counter-deployment", "--tail=-1")


@pytest.mark.parametrize("app", ["etcd", "counter"])
def test_a_deleted_pod_comes_back_while_clients_increment(system: System, app: str) -> None:
    before = system.count()
    lost = system.pods(app)[0]["metadata"]
    with incrementing(system) as history:
        eventually("the first increments", lambda: history.told > 50)
        system.kubectl("delete", "pod", lost["name"], "--wait=false")
        eventually("a new pod", lambda: lost["uid"] not in uids(ready := system.ready_pods(app)) and len(ready) == 3)
        acknowledged = history.told
        eventually("increments after it", lambda: history.told > acknowledged + 50)
    assert history.problems(before, system.count()) == []


def test_the_lost_leader_is_replaced(system: System) -> None:
    before = system.count()
    lost = eventually("a leader", lambda: leader(system))["metadata"]["name"]
    with incrementing(system) as history:
        eventually("the first increments", lambda: history.told > 50)
        system.kubectl("delete", "pod", lost, "--force", "--grace-period=0")
        began = time.monotonic()
        eventually("a leader", lambda: leader(system))
        eventually("three members ready", lambda: len(system.ready_pods("etcd")) == 3)
        acknowledged = history.told
        eventually("increments after it", lambda: history.told > acknowledged + 50)
    print(f"whole again after {time.monotonic() - began:.1f} s, {history.errors} errors")
    assert history.problems(before, system.count()) == []


ASK_ONESELF = """
import http.client, sys, time
began = time.monotonic()
connection = http.client.HTTPConnection("127.0.0.1", 8080)
connection.request("GET", sys.argv[1])
reply = connection.getresponse()
body = reply.read().decode()
print(reply.status, reply.getheader("Content-Type"), round(time.monotonic() - began, 2), body)
"""
