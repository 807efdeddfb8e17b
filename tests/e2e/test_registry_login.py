"""A registry that wants a login: images are pushed with it and pulled with it, and without it there are none."""

import base64
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from chaos.system import System, eventually
from local.layout import Layout
from tests.e2e.system import completed, copy_of_checkout

NAMESPACE = "behind-a-login"
PORT = 30181
USER, PASSWORD = "somebody", "open-Sesame-4711"
WRONG = "open-Barley-0815"

# What `htpasswd -nbB USER PASSWORD` prints: registries take no other hash.
ACCOUNTS = "somebody:$2y$05$abcdefghijklmnopqrstuuMYZ0TM20.9jUadlvr8Mc.5em5oRSzfa\n"


@pytest.fixture(scope="module")
def registry(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host and port of a registry that runs beside the cluster, as long as this process does."""
    folder = tmp_path_factory.mktemp("registry")
    (folder / "accounts").write_text(ACCOUNTS)
    port = _free_port()
    # This machine asks at localhost, as it can do without TLS, and the nodes ask this machine: two for one folder.
    running = [_serve(folder, f"{address}:{port}") for address in ("127.0.0.1", system.layout.gateway)]
    for mirror in _mirrors(system.layout, port):
        mirror.parent.mkdir()
        where = f"http://{system.layout.gateway}:{port}"
        mirror.write_text(f'server = "{where}"\n[host."{where}"]\n  capabilities = ["pull", "resolve"]\n')
    yield f"localhost:{port}"
    for mirror in _mirrors(system.layout, port):
        shutil.rmtree(mirror.parent)
    for process in running:
        process.terminate()
        process.wait()


def _serve(folder: Path, address: str) -> subprocess.Popen[bytes]:
    config = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": address, "secret": "of both"},
        "auth": {"htpasswd": {"realm": "images", "path": str(folder / "accounts")}},
    }
    file = folder / f"{address}.yaml"
    file.write_text(yaml.safe_dump(config))
    with file.with_suffix(".log").open("wb") as log:
        command = ["setpriv", "--pdeathsig=KILL", "docker-registry", "serve", str(file)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    eventually(f"a registry at {address}", lambda: _asks_for_a_login(address))
    return process


def _asks_for_a_login(address: str) -> bool:
    try:
        return _get(address, "/v2/").status_code == 401
    except requests.ConnectionError:
        return False


def _get(address: str, path: str, account: tuple[str, str] | None = None) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"http://{address}{path}", auth=account, timeout=10)


def _mirrors(layout: Layout, port: int) -> list[Path]:
    """Where each node finds how to reach the registry. It looks at every pull."""
    return [node.folder / f"containerd/certs.d/localhost:{port}/hosts.toml" for node in layout.nodes]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's checkout, for a stack of their own."""
    return copy_of_checkout(tmp_path_factory.mktemp("user"))


@pytest.fixture(scope="module")
def printed(system: System, registry: str, checkout: Path) -> Iterator[str]:
    """What `make up` printed. The deployment is there as long as these tests run."""
    try:
        up = _make("up", system, registry, checkout, PASSWORD)
        assert up.returncode == 0, up.stdout
        yield up.stdout
    finally:
        destroy = _make("destroy", system, registry, checkout, PASSWORD, "YES=1")
    assert destroy.returncode == 0, destroy.stdout


def _make(
    target: str, system: System, registry: str, checkout: Path, password: str, *more: str
) -> subprocess.CompletedProcess[str]:
    config = {
        "registry": f"{registry}/team",
        "registryUser": USER,
        "registryPassword": password,
        "namespace": NAMESPACE,
        "nodePort": PORT,
        "counterReplicas": 1,
        "counterCpuRequest": "100m",
        "etcdMembers": 1,
    }
    stack = {"config": {f"ha-counter:{key}": value for key, value in config.items()}}
    (checkout / "Pulumi.mine.yaml").write_text(yaml.safe_dump(stack))
    command = ["make", target, f"CONTEXT={system.layout.name}", "STACK=mine", *more]
    return completed(command, checkout, system.layout.environment)


def _tells(text: str, password: str) -> bool:
    return any(form in text for form in (password, base64.b64encode(f"{USER}:{password}".encode()).decode()))


def test_pods_run_with_images_that_were_pushed_and_pulled_with_the_login(
    system: System, registry: str, printed: str
) -> None:
    assert not _tells(printed, PASSWORD)
    pods = json.loads(system.kubectl("get", "pods", "--namespace", NAMESPACE, "--output=json"))["items"]
    # Not the `imageID` of their status: a node that has the same image under two names tells either of them.
    images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    assert {image.partition("@")[0] for image in images} == {
        f"{registry}/team/ha-counter-backup",
        f"{registry}/team/ha-counter-controller",
        f"{registry}/team/ha-counter-counter",
        f"{registry}/team/ha-counter-etcd",
    }
    answer = requests.get(f"http://{system.layout.nodes[0].address}:{PORT}/increment", timeout=10).json()
    assert answer["content"] == "count value = 1"


@pytest.mark.usefixtures("printed")
def test_without_the_login_there_is_no_image(system: System, registry: str) -> None:
    tags = "/v2/team/ha-counter-counter/tags/list"
    assert _get(registry, tags).status_code == 401
    assert _get(registry, tags, (USER, PASSWORD)).json()["tags"] == ["mine"]

    image = f"{registry}/team/ha-counter-counter:mine"
    default = "--namespace=default"  # where the Secret is not
    system.kubectl("run", "stranger", default, f"--image={image}", "--image-pull-policy=Always")
    try:
        eventually("no image", lambda: "401 Unauthorized" in system.kubectl("describe", "pod", "stranger", default))
    finally:
        system.kubectl("delete", "pod", "stranger", default, "--force")


@pytest.mark.usefixtures("printed")
def test_a_wrong_password_is_told_without_its_text(system: System, registry: str, checkout: Path) -> None:
    up = _make("up", system, registry, checkout, WRONG)
    assert up.returncode != 0
    assert "nothing was changed" in up.stdout
    assert re.search(rf"{registry}.*unauthorized", up.stdout, re.IGNORECASE)
    assert not _tells(up.stdout, WRONG)
    answer = requests.get(f"http://{system.layout.nodes[0].address}:{PORT}/static", timeout=10)
    assert answer.status_code == 200
