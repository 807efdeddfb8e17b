import contextlib
import ssl
import sys
from collections.abc import Callable, Iterator
from contextvars import Context
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ha_counter.settings import Settings
from local import certificates, preflight, stack_config
from local.errors import LocalError
from local.kube import Object
from local.layout import Layout
from local.preflight import check, read_settings
from local.remains import stateful_set
from tests.local.fake_docker import FakeDocker
from tests.local.in_memory_kube import InMemoryKube, claim

Read = Callable[..., Settings]


def node(
    name: str,
    *,
    cpu: str = "4",
    memory: str = "8Gi",
    architecture: str = "amd64",
    ready: str = "True",
    **spec: object,
) -> Object:
    status = {
        "nodeInfo": {"architecture": architecture},
        "allocatable": {"cpu": cpu, "memory": memory},
        "conditions": [{"type": "Ready", "status": ready}],
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec, "status": status}


def pod(*, namespace: str = "other", on: str | None = "node1", phase: str = "Running", **requests: str) -> Object:
    spec: Object = {"containers": [{"name": "one", "resources": {"requests": requests}}, {"name": "two"}]}
    if on:
        spec["nodeName"] = on
    metadata = {"namespace": namespace, "name": "pod"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": phase}}


def service(name: str, namespace: str, *ports: dict[str, int]) -> Object:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": list(ports)}}


def storage_class(name: str, default: str) -> Object:
    metadata = {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": default}}
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": metadata}


# An address of this machine, but none that a Docker engine trusts without encryption.
ELSEWHERE = "127.1.2.3"


class RegistryHandler(BaseHTTPRequestHandler):
    """A registry that wants a login."""

    def do_GET(self) -> None:
        self.send_response(401 if self.path == "/v2/" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serve(address: str, certificate: Path | None = None) -> Iterator[int]:
    """Have the registry answer at an address of this machine; its port."""
    with HTTPServer((address, 0), RegistryHandler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """The name of a registry that answers."""
    with serve("127.0.0.1") as port:
        yield f"localhost:{port}"


@pytest.fixture
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", ELSEWHERE)


@pytest.fixture
def read(registry: str, engine: FakeDocker) -> Read:
    """The settings of the dev stack with other values; its registry and its Docker engine answer."""
    del engine

    def read(**values: str) -> Settings:
        config = stack_config.load("dev", {"registry": registry, **values})
        return Context().run(read_settings, config)

    return read


@pytest.fixture
def kube() -> InMemoryKube:
    """A cluster with all that the dev stack needs."""
    fake = InMemoryKube()
    for number in (1, 2, 3):
        fake.put(node(f"node{number}"))
    fake.put(storage_class("standard", "true"))
    return fake


def error_of(settings: Settings, kube: InMemoryKube) -> str:
    with pytest.raises(LocalError) as error:
        check(settings, kube)
    return str(error.value)


def faults(settings: Settings, kube: InMemoryKube) -> list[str]:
    """The lines of the message that a cluster is refused with, but the first."""
    return [line.strip() for line in error_of(settings, kube).splitlines()[1:]]


def test_a_cluster_that_has_everything_will_do(read: Read, kube: InMemoryKube) -> None:
    assert check(read(), kube) == []


def test_all_that_is_missing_is_told_at_once(read: Read, kube: InMemoryKube) -> None:
    kube.put(storage_class("standard", "false"))
    kube.put(service("web", "other", {"nodePort": 30180}))

    error = error_of(read(context="test"), kube)

    [first, *rest] = error.splitlines()
    assert first == "context 'test' can't take the deployment yet:"
    assert [line.split(":")[0].strip() for line in rest] == ["storage", "storage", "node port"]


# Nodes.


def test_a_cluster_without_nodes_will_not_do(read: Read) -> None:
    kube = InMemoryKube()
    kube.put(storage_class("standard", "true"))

    [fault] = faults(read(spread="preferred"), kube)

    assert fault.startswith("nodes: there is none that takes pods")


def test_a_node_that_takes_no_pods_does_not_count(read: Read, kube: InMemoryKube) -> None:
    kube.put(node("node3", unschedulable=True))

    assert faults(read(spread="required"), kube) == [
        "nodes: 2, but `spread` is required and 3 pods of a kind are wanted; set it to preferred"
    ]


@pytest.mark.parametrize(
    "other",
    [
        node("node3", taints=[{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]),
        node("node3", taints=[{"key": "mine", "value": "yes", "effect": "NoExecute"}]),
        node("node3", ready="Unknown"),
    ],
    ids=["no new pods", "no pods", "not ready"],
)
def test_nor_does_one_that_takes_none_of_ours(read: Read, kube: InMemoryKube, other: Object) -> None:
    kube.put(other)

    assert "nodes: 2, but" in error_of(read(spread="required"), kube)


@pytest.mark.parametrize(
    "taint",
    [{"key": "mine", "effect": "PreferNoSchedule"}, {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}],
    ids=["only if it must", "is ready since"],
)
def test_one_that_takes_pods_all_the_same_counts(read: Read, kube: InMemoryKube, taint: dict[str, str]) -> None:
    kube.put(node("node3", taints=[taint]))

    assert check(read(spread="required"), kube) == []


@pytest.mark.parametrize("key", ["counterReplicas", "etcdMembers"])
def test_pods_that_must_spread_need_a_node_each(read: Read, kube: InMemoryKube, key: str) -> None:
    assert "5 pods of a kind are wanted" in error_of(read(spread="required", **{key: "5"}), kube)


def test_on_two_nodes_a_preferred_spread_will_do_with_a_warning(read: Read, kube: InMemoryKube) -> None:
    kube.put(node("node3", unschedulable=True))

    [warning] = check(read(spread="preferred"), kube)

    assert warning.startswith("2 node(s): the loss of one can cost etcd its quorum")


def test_nodes_of_several_architectures_will_not_do(read: Read, kube: InMemoryKube) -> None:
    kube.put(node("node3", architecture="arm64"))

    assert faults(read(), kube) == ["nodes: of several architectures (amd64, arm64); images are built for one"]


# Room. The dev stack requests 3 * (0.5 + 0.1) + 0.02 + 0.04 + 0.04 cores and 3 * (512 + 128) + 128 + 128 + 64 MiB.


@pytest.fixture
def full() -> InMemoryKube:
    """A cluster with exactly the room that the dev stack requests."""
    fake = InMemoryKube()
    fake.put(node("node1", cpu="700m", memory="960Mi"))
    for number in (2, 3):
        fake.put(node(f"node{number}", cpu="600m", memory="640Mi"))
    fake.put(storage_class("standard", "true"))
    return fake


def test_exactly_enough_room_will_do(read: Read, full: InMemoryKube) -> None:
    assert check(read(), full) == []


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_what_other_pods_requested_is_not_left(read: Read, full: InMemoryKube, resource: str) -> None:
    full.put(pod(**{resource: "1m" if resource == "cpu" else "1"}))

    [fault] = faults(read(), full)

    assert fault.startswith("room: the pods request ")
    assert f" of {resource}, " in fault
    keys = [f"{name}{resource.title()}Request" for name in ("counter", "etcd", "controller", "backup", "nfs")]
    assert f"lower {' and '.join(keys)}" in fault


def test_smaller_requests_fit_into_less(read: Read, full: InMemoryKube) -> None:
    full.put(pod(cpu="300m"))

    assert check(read(counterCpuRequest="400m"), full) == []


@pytest.mark.parametrize(
    ("volume", "left"),
    [
        ({"snapshotVolume": "none"}, {"cpu": "80m", "memory": "192Mi"}),
        ({"snapshotVolume": "export", "snapshotExport": "nas:/path"}, {"cpu": "40m", "memory": "64Mi"}),
    ],
)
def test_what_is_not_deployed_takes_no_room(
    read: Read, full: InMemoryKube, volume: dict[str, str], left: dict[str, str]
) -> None:
    full.put(pod(**left))

    assert check(read(**volume), full) == []


def test_a_pod_that_no_node_has_room_for_is_told(read: Read, kube: InMemoryKube) -> None:
    kube.put(node("node1", cpu="8", memory="64Mi"))
    kube.put(pod(on="node2", cpu="3500m"))
    kube.put(pod(on="node3", cpu="3500m", namespace="another"))

    assert faults(read(counterCpuRequest="600m", counterCpuLimit="1"), kube) == [
        "room: a pod of counter requests 600m of cpu and 512Mi of memory, and no node has both left; add a larger "
        "node, or lower counterCpuRequest or counterMemoryRequest"
    ]


def test_the_controller_is_one_of_the_pods_that_must_fit(read: Read, kube: InMemoryKube) -> None:
    assert faults(read(controllerMemoryRequest="9Gi", controllerMemoryLimit="9Gi"), kube) == [
        "room: a pod of controller requests 20m of cpu and 9Gi of memory, and no node has both left; add a larger "
        "node, or lower controllerCpuRequest or controllerMemoryRequest"
    ]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"namespace": "ha-counter"}, id="the stack's own, which the new ones replace"),
        pytest.param({"namespace": "ha-counter-nfs"}, id="likewise the NFS server"),
        pytest.param({"phase": "Succeeded"}, id="ended"),
        pytest.param({"phase": "Failed"}, id="failed"),
        pytest.param({"on": None}, id="on no node yet"),
        pytest.param({"on": "node4"}, id="on a node that does not count"),
    ],
)
def test_pods_that_take_no_room(read: Read, full: InMemoryKube, other: dict[str, Any]) -> None:
    full.put(node("node4", unschedulable=True))
    full.put(pod(cpu="1", memory="1Gi", **other))

    assert check(read(), full) == []


# Storage.


def test_volumes_of_no_class_need_a_default(read: Read, kube: InMemoryKube) -> None:
    kube.put(storage_class("standard", "false"))

    assert faults(read(), kube) == [
        f"storage: no StorageClass is the default; set {key} to one of ['standard']"
        for key in ("etcdStorageClass", "snapshotStorageClass")
    ]


def test_volumes_of_a_class_need_no_default(read: Read, kube: InMemoryKube) -> None:
    kube.put(storage_class("standard", "false"))

    assert check(read(etcdStorageClass="standard", snapshotStorageClass="standard"), kube) == []


@pytest.mark.parametrize("key", ["etcdStorageClass", "snapshotStorageClass"])
def test_a_class_that_there_is_not_is_told(read: Read, kube: InMemoryKube, key: str) -> None:
    assert faults(read(**{key: "fast"}), kube) == [
        f"storage: there is no StorageClass 'fast'; set {key} to one of ['standard']"
    ]


def test_a_class_for_a_server_that_there_is_not_is_not_asked_for(read: Read, kube: InMemoryKube) -> None:
    assert check(read(snapshotVolume="none", snapshotStorageClass="fast"), kube) == []


# Volumes that a stack before left.

ADVICE = (
    "because etcd's volumes are still there, in namespace ha-counter; set it back, "
    "or delete them, and so the count, with `make destroy`"
)


@pytest.fixture
def left(kube: InMemoryKube) -> InMemoryKube:
    """A cluster with the volumes that the dev stack left."""
    for number in (0, 1, 2):
        kube.put(claim(f"data-etcd-{number}"))
    return kube


def test_volumes_that_fit_the_settings_are_used_again(read: Read, left: InMemoryKube) -> None:
    assert check(read(etcdStorage="1024Mi"), left) == []
    assert check(read(etcdStorageClass="standard"), left) == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("etcdMembers", "5", "etcdMembers is 5: it must be 3"),
        ("etcdMembers", "1", "etcdMembers is 1: it must be 3"),
        ("etcdStorage", "2Gi", "etcdStorage is '2Gi': it must be '1Gi'"),
        ("etcdStorageClass", "fast", "etcdStorageClass is 'fast': it must be 'standard'"),
    ],
)
def test_settings_that_they_do_not_fit_are_told(
    read: Read, left: InMemoryKube, key: str, value: str, message: str
) -> None:
    left.put(storage_class("fast", "false"))

    assert faults(read(spread="preferred", **{key: value}), left) == [f"volumes: {message}, {ADVICE}"]


def test_volumes_of_a_class_that_is_no_longer_the_default_are_told(read: Read, left: InMemoryKube) -> None:
    left.put(storage_class("standard", "false"))
    left.put(storage_class("new", "true"))

    assert faults(read(), left) == [f"volumes: etcdStorageClass is '': it must be 'standard', {ADVICE}"]


def test_all_settings_that_they_do_not_fit_are_told_at_once(read: Read, left: InMemoryKube) -> None:
    left.put(claim("data-etcd-2", size="3Gi"))

    found = faults(read(spread="preferred", etcdMembers="5", etcdStorage="2Gi"), left)

    assert [fault.partition(", because")[0] for fault in found] == [
        "volumes: etcdMembers is 5: it must be 3",
        "volumes: etcdStorage is '2Gi': it must be '1Gi'",
        "volumes: etcdStorage is '2Gi': it must be '3Gi'",
    ]


def test_a_lost_volume_is_no_other_number_of_members(read: Read, left: InMemoryKube) -> None:
    left.delete(claim("data-etcd-2"))

    assert check(read(), left) == []


def test_a_stack_that_lives_remembers_its_settings_itself(read: Read, left: InMemoryKube) -> None:
    left.put(stateful_set("ha-counter"))

    assert check(read(spread="preferred", etcdMembers="5", etcdStorage="2Gi"), left) == []


def test_volumes_of_another_namespace_are_not_its_own(read: Read, left: InMemoryKube) -> None:
    assert check(read(namespace="other", etcdStorage="2Gi"), left) == []


def of_server(**options: str) -> Object:
    """The claim that the NFS server left."""
    return claim("data-nfs-0", namespace="ha-counter-nfs", of="nfs", **{"size": "5Gi", **options})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("snapshotStorage", "9Gi", "snapshotStorage is '9Gi': it must be '5Gi'"),
        ("snapshotStorageClass", "fast", "snapshotStorageClass is 'fast': it must be 'standard'"),
    ],
)
def test_settings_that_the_snapshots_volume_does_not_fit_are_told(
    read: Read, kube: InMemoryKube, key: str, value: str, message: str
) -> None:
    kube.put(storage_class("fast", "false"))
    kube.put(of_server())
    assert check(read(), kube) == []

    assert faults(read(**{key: value}), kube) == [
        f"volumes: {message}, because the snapshots' volume is still there, in namespace ha-counter-nfs; "
        "set it back, or delete it with the count, with `make destroy`"
    ]


def test_where_the_server_lives_or_is_not_wanted_they_are_not(read: Read, kube: InMemoryKube) -> None:
    kube.put(of_server())
    assert check(read(snapshotVolume="none", snapshotStorage="9Gi"), kube) == []

    kube.put(stateful_set("ha-counter-nfs", "nfs"))
    assert check(read(snapshotStorage="9Gi"), kube) == []


# The volume that snapshots are kept on.


def test_a_claim_that_there_is_not_is_told(read: Read, kube: InMemoryKube) -> None:
    settings = read(snapshotVolume="claim", snapshotClaim="mine")
    kube.put(claim("mine", namespace="other"))
    assert faults(settings, kube) == [
        "snapshots: there is no PersistentVolumeClaim mine in namespace ha-counter; make it, or set another "
        "snapshotClaim"
    ]

    kube.put(claim("mine"))
    assert check(settings, kube) == []


# The node port.


def test_a_port_that_another_service_has_is_told(read: Read, kube: InMemoryKube) -> None:
    kube.put(service("web", "other", {"port": 80}, {"port": 81, "nodePort": 30180}))

    assert faults(read(), kube) == ["node port: 30180 is taken by Service other/web; set another nodePort"]


@pytest.mark.parametrize(
    "other",
    [
        service("svc-counter", "ha-counter", {"nodePort": 30180}),
        service("web", "other", {"nodePort": 30181}),
        service("web", "other", {"port": 30180}),
    ],
    ids=["its own Service", "another port", "not a node port"],
)
def test_a_port_that_is_free(read: Read, kube: InMemoryKube, other: Object) -> None:
    kube.put(other)

    assert check(read(), kube) == []


# Images.

EXISTING = {
    "imageDelivery": "existing",
    **{f"{name}Image": f"example.com/{name}:1" for name in ("counter", "etcd", "controller", "backup", "nfs")},
}


def test_images_that_are_built_need_a_docker_engine(
    read: Read, kube: InMemoryKube, engine: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    engine.reachable = False

    [fault] = faults(read(), kube)

    assert fault.startswith("images: no Docker engine answers at unix:///nowhere.sock")


def test_images_that_are_pushed_need_a_registry(read: Read, kube: InMemoryKube) -> None:
    assert faults(read(registry="localhost:1/team"), kube) == [
        "images: the registry localhost:1 does not answer from here; start it, or set another `registry`"
    ]


@pytest.mark.usefixtures("without_proxy")
def test_a_registry_without_encryption_will_do_with_a_warning(read: Read, kube: InMemoryKube) -> None:
    with serve(ELSEWHERE) as port:
        [warning] = check(read(registry=f"{ELSEWHERE}:{port}/team"), kube)

    assert warning.startswith(f"the registry {ELSEWHERE}:{port} speaks plain HTTP only: the Docker engine must have it")
    assert "insecure-registries" in warning


@pytest.mark.usefixtures("without_proxy")
def test_a_registry_with_a_certificate_of_its_own_will_do(read: Read, kube: InMemoryKube, cluster: Layout) -> None:
    certificates.create(cluster)
    with serve(ELSEWHERE, cluster.pki / "kube-apiserver.crt") as port:
        assert check(read(registry=f"{ELSEWHERE}:{port}"), kube) == []


def test_a_proxy_that_answers_is_no_registry(
    read: Read, kube: InMemoryKube, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, f"http://{registry}")

    assert "images: the registry registry.example.com does not" in error_of(read(registry="registry.example.com"), kube)


def test_a_login_that_the_registry_takes_will_do(read: Read, kube: InMemoryKube, engine: FakeDocker) -> None:
    engine.account = {"username": "me", "password": "secret"}

    assert check(read(registryUser="me", registryPassword="secret"), kube) == []


def test_a_login_that_the_registry_refuses_is_told(read: Read, kube: InMemoryKube, registry: str) -> None:
    assert faults(read(registryUser="me", registryPassword="wrong"), kube) == [
        f"images: the registry {registry} refuses registryUser 'me' with this registryPassword "
        f"({registry}: incorrect username or password); set others"
    ]


@pytest.mark.parametrize(("context", "program"), [("kind-mine", "kind"), ("minikube", "minikube")])
def test_images_that_are_copied_need_the_program_that_does_it(
    read: Read, kube: InMemoryKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: str, program: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = read(imageDelivery="load", context=context)
    assert faults(settings, kube) == [
        f"images: imageDelivery is 'load', which needs `{program}`, and that is not on PATH; install it"
    ]

    (tmp_path / program).touch(mode=0o755)
    assert check(settings, kube) == []


def test_images_that_are_there_need_neither(read: Read, kube: InMemoryKube, engine: FakeDocker) -> None:
    engine.reachable = False

    assert check(read(registry="localhost:1", **EXISTING), kube) == []


def test_a_registry_on_this_machine_is_asked_without_a_proxy(
    read: Read, kube: InMemoryKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)

    assert check(read(), kube) == []


# The command line.


def test_a_wrong_configuration_is_told_without_a_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["preflight", "--config-only", "--config=nodePort=80"])

    assert Context().run(preflight.main) == 1
    assert "ha-counter:nodePort is '80'" in capsys.readouterr().err


def test_a_right_configuration_needs_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["preflight", "--config-only"])

    assert Context().run(preflight.main) == 0
