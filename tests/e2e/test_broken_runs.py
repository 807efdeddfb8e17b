"""Runs that are killed, meet one another, or lack what they need: the next one goes on, and what served serves on.

On a cluster of one node of its own. Runs are killed at points that they tell themselves, so that no clock decides.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos.clients import incrementing
from chaos.system import PATIENCE, System
from local import daemons
from local.layout import STATE_ROOT, Layout, find
from tests.e2e.host import Host, adopt_orphans, differences, look
from tests.e2e.system import CHECKOUT, completed, copy_of_checkout, make, run

NAME = "ha-counter-broken"
PYTHON = str(CHECKOUT / ".venv/bin/python")
LOCAL = [PYTHON, "-m", "local", "--name", NAME]
UP = [*LOCAL, "up", "--nodes=1"]
MAKE = ["make", "--no-print-directory", f"CLUSTER={NAME}", "STACK=broken"]

Point = Callable[[str], object]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose files the tests change, with a stack for a cluster of one node."""
    copy = copy_of_checkout(tmp_path_factory.mktemp("broken"))
    values = {
        "spread": "preferred",
        "counterCpuRequest": "100m",
    }  # a roll needs room for one more, and the node is small
    (copy / "Pulumi.broken.yaml").write_text(json.dumps({"config": {f"ha-counter:{k}": v for k, v in values.items()}}))
    return copy


@pytest.fixture(scope="module")
def machine_before() -> Host:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a local cluster needs Linux and root")
    make("destroy", NAME, YES="1")  # what an aborted run left behind
    run([*LOCAL, "build"])
    adopt_orphans()
    return look(NAME)


@pytest.fixture(scope="module")
def without_room(machine_before: Host) -> str:
    """What the very first `up` says, on a disk of 64 MiB."""
    del machine_before
    state = STATE_ROOT / NAME
    state.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(state)])
    try:
        return fails(UP)
    finally:
        run(["umount", str(state)])


@pytest.fixture(scope="module")
def system(checkout: Path, machine_before: Host, without_room: str) -> Iterator[System]:
    """The counter, which every test finds well and leaves well."""
    del without_room
    run(UP)
    run([*MAKE, "up"], checkout)
    layout = find(NAME)
    assert layout is not None
    try:
        yield System(layout, port=int(run([*MAKE, "output"], checkout)))
    finally:
        run([*MAKE, "destroy", "YES=1"], checkout)
    assert differences(machine_before, look(NAME)) == {}


def killed(command: list[str], point: Point, number: signal.Signals = signal.SIGKILL, folder: Path = CHECKOUT) -> str:
    """What the command printed until it was killed, with all that it had started, as soon as the point was reached."""
    with tempfile.NamedTemporaryFile("w") as output:
        process = subprocess.Popen(
            ["env", "--default-signal=INT", *command],  # a shell's background job ignores it, and hands that on
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + PATIENCE
        while not point(printed := Path(output.name).read_text()):
            assert process.poll() is None, f"{' '.join(command)} ended before that point:\n{printed}"
            if time.monotonic() > deadline:
                os.killpg(process.pid, signal.SIGKILL)
                pytest.fail(f"{' '.join(command)} did not come to that point:\n{printed}")
            time.sleep(0.002)
        os.killpg(process.pid, number)
        assert process.wait(PATIENCE) != 0
        return Path(output.name).read_text()


def says(text: str) -> Point:
    return lambda printed: text in printed


def exists(file: Path) -> Point:
    return lambda _: file.exists()


def fails(command: list[str], folder: Path = CHECKOUT, **environment: str) -> str:
    """What the command printed, which must fail by itself, in bounded time and without a traceback."""
    done = completed(command, folder, environment, 2 * PATIENCE)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def change_the_app(checkout: Path) -> None:
    with (checkout / "app/counter/__init__.py").open("a") as file:
        file.write("\n# changed\n")


def increment(system: System) -> int:
    assert system.get("/increment").status_code == 200
    return system.count()


def check(system: System, count: int) -> None:
    system.wait_until_whole()
    assert system.count() == count


def test_a_full_disk_is_told_and_the_next_up_is_whole(without_room: str, system: System) -> None:
    assert f"error: {system.layout.state}: 6" in without_room
    assert "MiB of disk space left" in without_room


def test_the_cluster_comes_up_after_it_was_killed_at_any_point(system: System) -> None:
    count = increment(system)
    layout = system.layout
    for point in (
        exists(layout.run / "daemons" / "etcd.json"),
        exists(layout.nodes[0].run / "containerd.sock"),
    ):
        run([*LOCAL, "down"])
        killed(UP, point)
        run(UP)
    check(system, count)


def test_a_deployment_goes_on_after_it_was_killed_at_any_point(system: System, checkout: Path) -> None:
    count = increment(system)
    change_the_app(checkout)
    killed([*MAKE, "up"], says("ha-counter-counter:broken: building"), folder=checkout)
    killed([*MAKE, "up"], says("of 3 pods ready"), folder=checkout)
    change_the_app(checkout)
    printed = killed([*MAKE, "up"], says("of 3 pods ready"), signal.SIGINT, folder=checkout)
    assert "interrupted; the same command goes on from here" in printed
    assert "Error 130" in printed
    check_two_at_once(checkout)
    check(system, count)


def check_two_at_once(checkout: Path) -> None:
    with subprocess.Popen([*MAKE, "up"], cwd=checkout, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()  # it has the cluster now
        assert "waiting for another command to finish: process" in run([*MAKE, "up"], checkout)
        first.communicate()
    assert first.returncode == 0


def test_down_goes_on_after_it_was_killed_at_any_point(system: System, checkout: Path, machine_before: Host) -> None:
    count = increment(system)
    killed([*MAKE, "down"], says("counter-deployment: deleted"), folder=checkout)
    killed([*MAKE, "down"], says("daemons and pods: done"), folder=checkout)
    run([*MAKE, "down"], checkout)
    assert differences(machine_before, look(NAME)) == {}
    run([*MAKE, "up"], checkout)
    check(system, count)


def test_a_taken_port_is_told(system: System) -> None:
    count = increment(system)
    port = system.layout.registry_port
    run([*LOCAL, "down"])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        assert f"error: port {port} of this machine is taken" in fails(UP)
    # Besides, what `ip netns add` leaves where it is killed, which no run tells of: a file that is no namespace.
    run(["ip", "netns", "delete", system.layout.nodes[0].netns])
    Path("/run/netns", system.layout.nodes[0].netns).touch()
    run(UP)
    check(system, count)


def deploy(layout: Layout, **config: str) -> list[str]:
    values = {"context": NAME, "kubeconfig": str(layout.kubeconfig), "registry": layout.registry, **config}
    options = [f"--config={key}={value}" for key, value in values.items()]
    return [PYTHON, "-m", "local.deploy", "up", "--stack=broken", *options]


def test_the_old_version_serves_on_while_images_can_not_be_made(system: System, checkout: Path) -> None:
    layout = system.layout
    change_the_app(checkout)
    before = system.count()
    with incrementing(system, clients=1) as history:
        daemons.stop(layout, "registry")
        assert "the push failed" in fails(deploy(layout), checkout, **layout.environment)
        daemons.stop(layout, "dockerd")
        told = f"the Docker engine at unix://{layout.docker_socket} does not answer"
        assert told in fails(deploy(layout), checkout, **layout.environment)
    assert history.errors == 0
    assert history.problems(before, system.count()) == []
    run([*MAKE, "up"], checkout)


def test_the_old_version_serves_on_while_the_new_one_never_gets_ready(system: System, checkout: Path) -> None:
    """Takes as long as the Deployment's progress deadline."""
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    members = system.kubectl("get", "statefulset/etcd", "-o", image)
    backup = system.kubectl("get", "deployment/etcd-backup", "-o", image)
    controller = system.kubectl("get", "deployment/etcd-controller", "-o", image)
    nfs = system.kubectl("get", "statefulset/nfs", f"--namespace={system.namespace}-nfs", "-o", image)
    nowhere = f"{system.layout.registry}/ha-counter-counter:none"
    before = system.count()
    with incrementing(system, clients=1) as history:
        printed = fails(
            deploy(
                system.layout,
                imageDelivery="existing",
                counterImage=nowhere,
                etcdImage=members,
                controllerImage=controller,
                backupImage=backup,
                nfsImage=nfs,
            ),
            checkout,
            **system.layout.environment,
        )
    assert "Deployment ha-counter/counter-deployment: 0 of 3 pods ready after" in printed
    assert "ErrImagePull" in printed or "ImagePullBackOff" in printed, printed  # the kubelet says one or the other
    assert nowhere in printed
    assert history.errors == 0
    count = system.count()
    assert history.problems(before, count) == []
    run([*MAKE, "up"], checkout)
    check(system, count)


def test_without_a_network_a_build_says_what_it_could_not_reach(tmp_path: Path) -> None:
    fresh = ["env", f"XDG_CACHE_HOME={tmp_path}", f"GOMODCACHE={tmp_path}/modules"]
    printed = fails([*fresh, "unshare", "--net", *LOCAL, "build"])
    assert "failed with exit code" in printed
    assert f"all of it: {tmp_path}/ha-counter/logs" in printed


def test_destroy_leaves_nothing_after_it_was_killed_at_any_point(
    system: System, checkout: Path, machine_before: Host
) -> None:
    """The last one: what is left is for nobody."""
    layout = system.layout
    killed([*MAKE, "destroy", "YES=1"], says("daemons and pods: done"), folder=checkout)
    killed([*MAKE, "destroy", "YES=1"], exists(layout.state.with_name(f"{NAME}.removed")), folder=checkout)
    run([*MAKE, "destroy", "YES=1"], checkout)
    assert differences(machine_before, look(NAME)) == {}
    assert not list(STATE_ROOT.glob(f"{NAME}*"))
