"""The walk-through: every command of the program that this one replaces, typed as a user types it.

What other files show already is not repeated here: deploying and cleaning up (conftest.py, test_down.py), readiness
without etcd (test_healing.py), a changed line (test_up_again.py), a registry with a login (test_registry_login.py).
"""

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.system import NAMESPACE, System
from local import binaries
from local.registry import engine
from tests.e2e.conftest import CLUSTER
from tests.e2e.system import CHECKOUT, make, names, run, uids

DEPLOYMENT = "deployment/counter-deployment"
README = (CHECKOUT / "README.md").read_text()


def test_kubectl_of_the_user_with_a_kubeconfig_of_their_own(system: System, tmp_path: Path) -> None:
    """KUBECONFIG may name any file; nothing is ever written to ~/.kube/config."""
    mine = tmp_path / "config"
    shutil.copyfile(system.layout.kubeconfig, mine)
    kubectl = shutil.which("kubectl") or pytest.skip("there is no kubectl on PATH")
    listed = run([kubectl, "get", "pods", "--namespace", NAMESPACE, "--output", "name"], KUBECONFIG=str(mine))
    assert {line.removeprefix("pod/") for line in listed.split()} >= names(system.pods("counter"))


ANSWER = r'"message": "Status OK"'
WHO = rf'{ANSWER}, "node": "node\d", "pod": "counter-deployment-\S+"\}}'
RATE = r"(?s)Requests/sec:\s+[\d.]+\s.*\[200\]\s+99 responses"  # three workers share 100 requests: hey sends 99

LOOP = (
    "for i in $(seq 60); do curl -s 127.0.0.1:30180/static"
    """ | grep -o 'counter-deployment[^"]*'; done | sort | uniq -c"""
)

# What README says to type, and what must be seen then.
COMMANDS = {
    "curl 127.0.0.1:30180/static": rf'"content": "meaning of life = 42", {WHO}',
    "curl 127.0.0.1:30180/healthz": rf'"content": "etcd members = 3", {WHO}',
    "curl 127.0.0.1:30180/increment": rf'"content": "count value = \d+", {ANSWER}\}}',
    "curl 127.0.0.1:30180/fetch": rf'"content": "count value = \d+", {WHO}',
    LOOP: r"^(\s*\d+ counter-deployment-\S+\n){3}$",
    "kubectl get pods --namespace ha-counter -o wide": (
        r"(?s)(counter-deployment-\S+ +1/1 +Running .*){3}(etcd-[012] +1/1 +Running .*){3}"
    ),
    "kubectl exec deployment/counter-deployment --namespace ha-counter -- env | grep -E 'MY_|ETCD_ENDPOINTS' | sort": (
        r"ETCD_ENDPOINTS=http://etcd0:2379,http://etcd1:2379,http://etcd2:2379\n"
        r"MY_NODE_NAME=node\d\nMY_POD_IP=[\d.]+\nMY_POD_NAME=counter-deployment-\S+\n"
        r"MY_POD_NAMESPACE=ha-counter\n"
    ),
    "hey -n 100 -c 3 http://127.0.0.1:30180/healthz": RATE,
    "hey -n 100 -c 3 http://127.0.0.1:30180/increment": RATE,
    "hey -n 100 -c 3 http://127.0.0.1:30180/static": RATE,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme(system: System, command: str) -> None:
    assert command in README
    assert re.search(COMMANDS[command], _typed(system, command))


def test_a_terminal_inside_a_member(system: System) -> None:
    command = "kubectl exec -ti --namespace ha-counter etcd-0 -- sh"
    lines = ["etcdctl put foo bar", "etcdctl get foo", "nslookup etcd1"]
    assert all(f"$ {line}\n" in README for line in (command, *lines))
    # script(1) gives it a terminal, on which it answers as it would to a user.
    typed = shlex.join(["printf", r"%s\n", *lines, "exit"])
    seen = _typed(system, f"{typed} | script --quiet --command {shlex.quote(command)} /dev/null")
    address = system.kubectl("get", "service", "etcd1", "-o", "jsonpath={.spec.clusterIP}")
    assert re.search(rf"(?s)OK\s.*foo\s+bar\s.*Address: {address}", seen)


def test_a_pod_says_what_it_is(system: System) -> None:
    """The downward API's values are the pod's own."""
    for pod in system.pods("counter"):
        name = pod["metadata"]["name"]
        values = dict(line.partition("=")[::2] for line in system.kubectl("exec", name, "--", "env").splitlines())
        assert (values["MY_POD_NAME"], values["MY_NODE_NAME"]) == (name, pod["spec"]["nodeName"])
        assert values["MY_POD_IP"] == pod["status"]["podIP"]


def test_curl_in_a_loop_from_a_node(system: System) -> None:
    answered = set()
    for node in system.layout.nodes:
        for _ in range(20):
            answer = json.loads(
                run(["curl", "--silent", "--noproxy", "*", f"http://{node.address}:{system.port}/static"])
            )
            answered.add(answer["pod"])
    assert answered == names(system.pods("counter"))


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


def _typed(system: System, command: str) -> str:
    """What a user sees who types it in the checkout, after README's first line."""
    use = f'eval "$(.venv/bin/python -m local --name {CLUSTER} env)"'
    here = "127.0.0.1" if system.layout.serves_localhost else str(system.layout.nodes[0].address)
    command = command.replace("127.0.0.1", here)
    path = f"{binaries.folder()}:{os.environ['PATH']}"  # kubectl, for machines that have none
    return run(["bash", "-c", f"set -o pipefail; {use} && {command}"], PATH=path, NO_PROXY="*", no_proxy="*")


def _image(system: System) -> str:
    return system.kubectl("get", DEPLOYMENT, "-o", "jsonpath={.spec.template.spec.containers[0].image}")
