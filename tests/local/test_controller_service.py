import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from local import controller_service
from local.controller_service import says
from local.kube import Object
from tests.local.in_memory_kube import InMemoryKube


class Controller:
    """What it answers, and what it was asked."""

    def __init__(self) -> None:
        self.answer = b'{"row": "heal", "says": "etcd-2 is replaced"}'
        self.asked: list[str] = []
        self.hangs = False
        self.over = threading.Event()


def pod(name: str, *, ready: bool = True, of: str = "etcd-controller", namespace: str = "app") -> Object:
    metadata = {"namespace": namespace, "name": name, "labels": {"app.kubernetes.io/name": of}}
    status = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


@pytest.fixture
def kube() -> InMemoryKube:
    return InMemoryKube()


@pytest.fixture
def controller(kube: InMemoryKube) -> Iterator[Controller]:
    """A controller in pod `controller-1`."""
    fake = Controller()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fake.asked.append(self.path)
            if fake.hangs:
                fake.over.wait()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(fake.answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    kube.put(pod("controller-1"))
    kube.ports["app", "controller-1", 8080] = server.server_address[1]
    yield fake
    fake.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_is_what_was_decided_last(kube: InMemoryKube, controller: Controller) -> None:
    assert says(kube, "app") == "etcd-2 is replaced"
    assert controller.asked == ["/decision"]


@pytest.mark.usefixtures("controller")
def test_a_pod_that_is_ready_is_asked(kube: InMemoryKube) -> None:
    first = kube.find("Pod", "controller-1")
    kube.delete(first)
    kube.put(pod("controller-0", ready=False))
    kube.put(pod("etcd-0", of="etcd"))
    kube.put(first)

    assert says(kube, "app") == "etcd-2 is replaced"


@pytest.mark.parametrize(
    "other",
    [pod("controller-1", ready=False), pod("etcd-0", of="etcd"), pod("controller-1", namespace="other")],
    ids=["not ready", "another's", "of another namespace"],
)
def test_that_none_is_ready_is_told(kube: InMemoryKube, other: Object) -> None:
    kube.put(other)

    assert says(kube, "app") == "no pod of etcd-controller is ready"


def test_that_it_can_not_be_reached_is_told(kube: InMemoryKube) -> None:
    kube.put(pod("controller-1"))

    assert says(kube, "app") == "Pod app/controller-1: port 8080 can't be reached"


@pytest.mark.parametrize("answer", [b"", b"<html>", b'{"row": "heal"}'])
def test_an_answer_that_says_nothing_is_told(kube: InMemoryKube, controller: Controller, answer: bytes) -> None:
    controller.answer = answer

    assert says(kube, "app").startswith("etcd-controller does not answer: ")


def test_one_that_hangs_is_not_waited_for_long(
    kube: InMemoryKube, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_service, "ANSWER_TIMEOUT", 0.05)
    controller.hangs = True

    assert says(kube, "app") == "etcd-controller does not answer: timed out"
