"""What operators do every day costs no request: not one fails while a replica is stopped in good order."""

from collections.abc import Callable
from functools import partial

import pytest

from chaos.clients import incrementing
from chaos.faults import named
from chaos.history import History
from chaos.system import System, eventually

# Seconds for which a client waits. A replica whose member of etcd is stopped may take one or two until another answers;
# after three it would give up.
CLIENT_PATIENCE = 5.0


def _roll(system: System) -> None:
    [rolled] = named(["counter-rolled"])
    rolled.put_in(system)


def _delete_pod(system: System) -> None:
    system.kubectl("delete", "pod", system.ready_pods("counter")[0]["metadata"]["name"])


def _drain_node(system: System) -> None:
    """With everything on it: a replica, a member of etcd, maybe the cluster's DNS."""
    node = system.ready_pods("counter")[0]["spec"]["nodeName"]
    try:
        system.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
        on_node = ("get", "pods", "-l", "app.kubernetes.io/name=counter", f"--field-selector=spec.nodeName={node}")
        eventually("no replica on it", lambda: not system.kubectl(*on_node, "-o", "name"))
        eventually("three replicas elsewhere", lambda: len(system.ready_pods("counter")) == 3)
    finally:
        system.kubectl("uncordon", node)


@pytest.mark.parametrize("stop", [_roll, _delete_pod, _drain_node])
def test_no_request_fails_while_a_replica_is_stopped_in_good_order(
    system: System, stop: Callable[[System], None]
) -> None:
    before = system.count()
    with incrementing(system, clients=20, timeout=CLIENT_PATIENCE) as history:
        eventually("the first increments", partial(_has_told, history, 500))
        stop(system)
        system.wait_until_whole()
        eventually("increments after it", partial(_has_told, history, history.told + 500))
    assert [answer for answer in history.answers if answer.value is None] == []
    assert history.problems(before, system.count()) == []


def _has_told(history: History, least: int) -> bool:
    return history.told >= least
