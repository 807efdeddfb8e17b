"""The controller's role allows what its code asks of Kubernetes, and nothing else.

The code runs, and asks a server here that only notes what it is asked.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from typing import Any

import pytest
from kubernetes import client, config

from controller.actions import DeleteClaim, DeletePod, ScalePods
from controller.kubernetes_api import KubernetesApi
from ha_counter.members import MOST_MEMBERS
from tests.infra.program_run import ProgramRun

NAMESPACE = "ha-counter"
VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}

# Group, resource with its subresource, name and verb.
Right = tuple[str, str, str, str]


class ApiServer(ThreadingHTTPServer):
    """Has a few objects, by their paths, and changes none."""

    def __init__(self, objects: Mapping[str, object]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.objects = objects
        self.asked: set[Right] = set()


class _Answer(BaseHTTPRequestHandler):
    server: ApiServer

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        self.server.asked.add(right(VERBS[self.command], path))
        found = self.server.objects.get(path) if self.command == "GET" else {}
        body = json.dumps(found).encode()
        self.send_response(HTTPStatus.NOT_FOUND if found is None else HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - as http.server calls them

    def log_message(self, format: str, *_: object) -> None:
        """Nobody reads it."""


def right(verb: str, path: str) -> Right:
    """What one must be allowed for a request: to /api/v1/... or /apis/GROUP/VERSION/..."""
    place, _, object_ = path.partition(f"/namespaces/{NAMESPACE}/")
    _, kind, group, *_ = place.split("/")
    resource, name, *subresource = object_.split("/")
    return (group if kind == "apis" else "", "/".join([resource, *subresource]), name, verb)


def rights(role: Mapping[str, Any]) -> set[Right]:
    """What a role allows."""
    return {
        each
        for rule in role["rules"]
        for each in product(rule["apiGroups"], rule["resources"], rule["resourceNames"], rule["verbs"])
    }


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """It has what the controller can't do without: the two ConfigMaps and the StatefulSet."""
    core, apps = f"/api/v1/namespaces/{NAMESPACE}", f"/apis/apps/v1/namespaces/{NAMESPACE}"
    metadata = {"resourceVersion": "1"}
    objects = {
        f"{core}/configmaps/etcd-config": {"metadata": metadata, "data": {"members": "3"}},
        f"{core}/configmaps/etcd-cluster": {"metadata": metadata},
        f"{apps}/statefulsets/etcd": {
            "metadata": metadata,
            "spec": {"replicas": 3, "selector": {}, "serviceName": "etcd", "template": {}},
            "status": {"replicas": 3},
        },
    }
    with ApiServer(objects) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def api(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> KubernetesApi:
    def load() -> None:
        client.Configuration.set_default(client.Configuration(host=f"http://127.0.0.1:{server.server_port}"))

    monkeypatch.setattr(client.Configuration, "_default", None)
    monkeypatch.setattr(config, "load_incluster_config", load)
    return KubernetesApi(NAMESPACE)


def test_it_may_do_what_it_does_and_nothing_else(run: ProgramRun, server: ApiServer, api: KubernetesApi) -> None:
    api.wanted()
    written = api.read()
    assert api.write(written.record, written.version)
    api.look(range(MOST_MEMBERS))
    for member in range(MOST_MEMBERS):
        api.act(DeletePod(member, "a-pod", force=True))
        api.act(DeleteClaim(member, "a-claim"))
    api.act(ScalePods(5, "1"))

    assert server.asked == rights(run.find("kubernetes:rbac.authorization.k8s.io/v1:Role", "etcd-controller").inputs)
