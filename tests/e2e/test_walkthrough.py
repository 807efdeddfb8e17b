"""The walk-through: every command of the program that this one replaces, typed as a user types it.

What other files show already - deploying and cleaning up (conftest.py, test_down.py), readiness without etcd
(test_healing.py), the shell, etcdctl and nslookup inside a member (test_inside_a_member.py) - is not repeated here.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.registry import engine
from tests.e2e.conftest import CLUSTER
from tests.e2e.system import NAMESPACE, System, make, names, run, uids

DEPLOYMENT = "deployment/counter-deployment"


def test_kubectl_of_the_user_with_a_kubeconfig_of_their_own(system: System, tmp_path: Path) -> None:
    """KUBECONFIG may name any file; nothing is ever written to ~/.kube/config."""
    mine = tmp_path / "config"
    shutil.copyfile(system.layout.kubeconfig, mine)
    kubectl = shutil.which("kubectl") or pytest.skip("there is no kubectl on PATH")
    listed = run([kubectl, "get", "pods", "--namespace", NAMESPACE, "--output", "name"], KUBECONFIG=str(mine))
    assert {line.removeprefix("pod/") for line in listed.split()} >= names(system.pods("counter"))


def test_curl_in_a_loop_from_a_node(system: System) -> None:
    answered = set()
    for node in system.layout.nodes:
        for _ in range(20):
            answer = json.loads(
                run(["curl", "--silent", "--noproxy", "*", f"http://{node.address}:{system.port}/static"])
            )
            answered.add(answer["pod"])
    assert answered == names(system.pods("counter"))


@pytest.mark.parametrize("variable", ["MY_POD_NAME", "MY_POD_NAMESPACE", "MY_NODE_NAME", "ETCD_ENDPOINTS"])
def test_a_pod_knows_itself_and_the_members(system: System, variable: str) -> None:
    [pod, *_] = system.pods("counter")
    expected = {
        "MY_POD_NAME": pod["metadata"]["name"],
        "MY_POD_NAMESPACE": NAMESPACE,
        "MY_NODE_NAME": pod["spec"]["nodeName"],
        "ETCD_ENDPOINTS": "http://etcd0:2379,http://etcd1:2379,http://etcd2:2379",
    }
    assert system.kubectl("exec", expected["MY_POD_NAME"], "--", "printenv", variable).strip() == expected[variable]


@pytest.fixture
def second_image(system: System) -> Iterator[str]:
    """The counter's image under another name and with another ID, pushed as a user would push it."""
    client = engine(system.layout)
    name = f"{system.layout.registry}/ha-counter-counter"
    deployed = system.kubectl("get", DEPLOYMENT, "-o", "jsonpath={.spec.template.spec.containers[0].image}")
    container = client.containers.create(deployed)
    container.commit(name, "second", changes="LABEL second=true")
    container.remove()
    for event in client.images.push(name, "second", stream=True, decode=True):
        assert "error" not in event, event
    yield f"{name}:second"
    client.images.remove(f"{name}:second")


def test_a_new_image_is_rolled_out_and_back(system: System, second_image: str) -> None:
    before, count = uids(system.pods("counter")), system.count()
    first = _image(system)

    system.kubectl("set", "image", DEPLOYMENT, f"counter={second_image}")
    system.kubectl("rollout", "status", DEPLOYMENT, "--timeout=120s")
    assert _image(system) == second_image
    assert not uids(system.pods("counter")) & before
    revisions = re.findall(r"^\d+", system.kubectl("rollout", "history", DEPLOYMENT), re.MULTILINE)
    assert len(revisions) >= 2

    system.kubectl("rollout", "undo", DEPLOYMENT)
    system.kubectl("rollout", "status", DEPLOYMENT, "--timeout=120s")
    assert _image(system) == first
    assert system.count() == count


def test_up_sets_the_programs_image_again(system: System, second_image: str) -> None:
    """What is changed by hand lasts until the next `make up`."""
    first = _image(system)
    system.kubectl("set", "image", DEPLOYMENT, f"counter={second_image}")
    system.kubectl("rollout", "status", DEPLOYMENT, "--timeout=120s")
    make("up", CLUSTER)
    assert _image(system) == first


@pytest.mark.parametrize("path", ["/static", "/healthz", "/increment"])
def test_hey_gets_a_hundred_answers(system: System, path: str) -> None:
    hey = shutil.which("hey") or pytest.skip("hey is not installed")
    report = run([hey, "-n", "100", "-c", "3", system.address + path], NO_PROXY="*")
    assert re.search(r"Requests/sec:\s+[\d.]+", report)
    # Three workers share 100 requests: hey sends 99.
    assert re.search(r"\[200\]\s+99 responses", report)


def _image(system: System) -> str:
    return system.kubectl("get", DEPLOYMENT, "-o", "jsonpath={.spec.template.spec.containers[0].image}")
