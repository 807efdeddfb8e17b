"""The client against an API server on loopback that knows some kinds, and answers as it is told."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from local import kube as kube_module
from local.errors import LocalError
from local.kube import Kube, Object, delete_and_wait, describe
from tests.local.in_memory_kube import InMemoryKube

VERBS = ["create", "delete", "get", "list", "patch"]
CONFIG_MAP: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "app", "name": "settings"}}
NAMESPACE: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}}
PATH = "/api/v1/namespaces/app/configmaps/settings"


def kind(name: str, plural: str, *, namespaced: bool = True) -> Object:
    return {"name": plural, "singularName": name.lower(), "namespaced": namespaced, "kind": name, "verbs": VERBS}


DISCOVERY: dict[str, Object] = {
    "/version": {"kind": "Info", "gitVersion": "v1.34.4"},
    "/apis": {
        "kind": "APIGroupList",
        "groups": [
            {
                "name": "apps",
                "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
            }
        ],
    },
    "/api/v1": {
        "kind": "APIResourceList",
        "resources": [
            kind("ConfigMap", "configmaps"),
            kind("Event", "events"),
            kind("Namespace", "namespaces", namespaced=False),
            {**kind("Binding", "bindings"), "verbs": ["create", "delete"]},
            {**kind("ComponentStatus", "componentstatuses"), "verbs": ["get", "list"]},
        ],
    },
    "/apis/apps/v1": {"kind": "APIResourceList", "resources": [kind("Deployment", "deployments")]},
}


@dataclass(frozen=True)
class Request:
    """What the server was asked."""

    method: str
    path: str
    query: dict[str, list[str]]
    content_type: str
    body: Any


@dataclass
class ApiServer:
    """What the server answers to a path, with 404 to any other, and what it was asked but for discovery."""

    address: str = ""
    answers: dict[str, tuple[int, Object]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)


def listing(api_version: str, kind: str, *names: str) -> tuple[int, Object]:
    items = [{"metadata": {"name": name}} for name in names]
    return 200, {"apiVersion": api_version, "kind": f"{kind}List", "items": items}


def refusal(code: int, reason: str, message: str) -> tuple[int, Object]:
    return code, {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    api_server = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            url = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if url.path in DISCOVERY:
                status, body = 200, DISCOVERY[url.path]
            else:
                request = Request(
                    self.command,
                    url.path,
                    parse_qs(url.query),
                    self.headers.get("Content-Type", ""),
                    yaml.safe_load(text),
                )
                api_server.requests.append(request)
                status, body = api_server.answers.get(url.path, refusal(404, "NotFound", "not found"))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PATCH = do_DELETE = answer  # noqa: N815 - the base class' names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        api_server.address = f"http://127.0.0.1:{listener.server_port}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield api_server
        listener.shutdown()
        thread.join()


def write_kubeconfig(folder: Path, address: str) -> Path:
    config = {
        "clusters": [{"name": "test", "cluster": {"server": address}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return file


@pytest.fixture
def kube(server: ApiServer, tmp_path: Path) -> Kube:
    return Kube("test", write_kubeconfig(tmp_path, server.address))


# The way to the cluster.


def test_a_context_that_there_is_not_is_told(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path, "http://127.0.0.1:1")

    with pytest.raises(LocalError, match=f"context 'other' can't be used from {kubeconfig}"):
        Kube("other", kubeconfig)


def test_without_a_kubeconfig_it_is_said_where_one_is_looked_for() -> None:
    with pytest.raises(LocalError, match=r"can't be used from KUBECONFIG or ~/\.kube/config"):
        Kube("test")


def test_an_api_server_that_takes_connections_but_does_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_module, "ANSWER_TIMEOUT", 0.01)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        address = f"http://127.0.0.1:{mute.getsockname()[1]}"

        with pytest.raises(LocalError, match=f"context 'test': the API server {address} does not answer: .*timed out"):
            Kube("test", write_kubeconfig(tmp_path, address))


def test_an_api_server_that_does_not_answer_is_told(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # but does not listen
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"

        with pytest.raises(LocalError, match=f"context 'test': the API server {address} does not answer"):
            Kube("test", write_kubeconfig(tmp_path, address))


# Reading.


def test_an_object_that_is_there(kube: Kube, server: ApiServer) -> None:
    server.answers[PATH] = (200, CONFIG_MAP)

    assert kube.get(CONFIG_MAP) == CONFIG_MAP


def test_an_object_of_no_namespace(kube: Kube, server: ApiServer) -> None:
    server.answers["/api/v1/namespaces/app"] = (200, NAMESPACE)

    assert kube.get(NAMESPACE) == NAMESPACE


def test_an_object_that_is_not_there(kube: Kube) -> None:
    assert kube.get(CONFIG_MAP) is None


def test_a_kind_that_the_cluster_does_not_have_is_told(kube: Kube) -> None:
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"namespace": "app", "name": "one"}}

    with pytest.raises(LocalError, match=r"Thing app/one: the cluster has no kind example\.com/v1 Thing"):
        kube.get(thing)


def test_an_object_that_names_no_namespace_is_told(kube: Kube) -> None:
    with pytest.raises(LocalError, match="ConfigMap settings: it names no namespace"):
        kube.get({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}})


def test_a_refusal_to_read_is_told_with_its_reason(kube: Kube, server: ApiServer) -> None:
    server.answers[PATH] = refusal(403, "Forbidden", "you may not get configmaps")

    with pytest.raises(LocalError, match=r"ConfigMap app/settings: .*you may not get configmaps"):
        kube.get(CONFIG_MAP)


def test_objects_of_one_kind_are_listed(kube: Kube, server: ApiServer) -> None:
    server.answers["/api/v1/namespaces/app/configmaps"] = listing("v1", "ConfigMap", "one", "two")

    assert [item["metadata"]["name"] for item in kube.list("v1", "ConfigMap", "app", "app=web")] == ["one", "two"]
    assert server.requests[-1].query == {"labelSelector": ["app=web"]}


def test_labelled_objects_of_all_kinds_say_what_they_are(kube: Kube, server: ApiServer) -> None:
    server.answers["/api/v1/configmaps"] = listing("v1", "ConfigMap", "one")
    server.answers["/api/v1/namespaces"] = listing("v1", "Namespace")
    server.answers["/apis/apps/v1/deployments"] = listing("apps/v1", "Deployment", "two")

    found = list(kube.labelled("stack=test"))

    assert sorted((item["apiVersion"], item["kind"], item["metadata"]["name"]) for item in found) == [
        ("apps/v1", "Deployment", "two"),
        ("v1", "ConfigMap", "one"),
    ]
    assert [request.query for request in server.requests] == [{"labelSelector": ["stack=test"]}] * 3


def test_of_a_namespace_only_kinds_are_asked_for_that_live_in_one(kube: Kube, server: ApiServer) -> None:
    server.answers["/api/v1/namespaces/app/configmaps"] = listing("v1", "ConfigMap", "one")
    server.answers["/apis/apps/v1/namespaces/app/deployments"] = listing("apps/v1", "Deployment", "two")

    found = list(kube.inside("app"))

    assert sorted((item["kind"], item["metadata"]["name"]) for item in found) == [
        ("ConfigMap", "one"),
        ("Deployment", "two"),
    ]
    assert len(server.requests) == 2


@pytest.mark.parametrize("code", [403, 404, 405])
def test_kinds_that_can_not_be_listed_are_passed_over(kube: Kube, server: ApiServer, code: int) -> None:
    server.answers["/api/v1/configmaps"] = refusal(code, "", "no")
    server.answers["/api/v1/namespaces"] = listing("v1", "Namespace", "one")

    assert [item["kind"] for item in kube.labelled("stack=test")] == ["Namespace"]


# Writing.


def test_an_apply_takes_over_the_fields_that_it_names(kube: Kube, server: ApiServer) -> None:
    server.answers[PATH] = (200, {**CONFIG_MAP, "data": {"key": "value"}})

    live = kube.apply(CONFIG_MAP, "tests")

    assert live["data"] == {"key": "value"}
    [request] = server.requests
    assert (request.method, request.path, request.body) == ("PATCH", PATH, CONFIG_MAP)
    assert request.content_type == "application/apply-patch+yaml"
    assert request.query["fieldManager"] == ["tests"]
    assert request.query["force"] in (["True"], ["true"])
    assert "dryRun" not in request.query


def test_in_a_dry_run_nothing_is_stored(kube: Kube, server: ApiServer) -> None:
    server.answers[PATH] = (200, {**CONFIG_MAP, "data": {"key": "value"}})

    assert kube.apply(CONFIG_MAP, "tests", dry_run=True)["data"] == {"key": "value"}

    [request] = server.requests
    assert request.query["dryRun"] == ["All"]


def test_a_refusal_to_apply_is_told_with_its_reason(kube: Kube, server: ApiServer) -> None:
    server.answers[PATH] = refusal(422, "Invalid", "data: must be text")

    with pytest.raises(LocalError, match=r"ConfigMap app/settings: .*data: must be text"):
        kube.apply(CONFIG_MAP, "tests")


def test_a_patch_changes_and_removes_the_fields_that_it_names(kube: Kube, server: ApiServer) -> None:
    server.answers[PATH] = 200, CONFIG_MAP

    kube.patch(CONFIG_MAP, {"data": {"a": "1", "b": None}}, "tests")

    [request] = server.requests
    assert (request.method, request.content_type) == ("PATCH", "application/merge-patch+json")
    assert request.query["fieldManager"] == ["tests"]
    assert request.body == {"data": {"a": "1", "b": None}}


def test_a_refusal_to_patch_is_told_with_its_reason(kube: Kube, server: ApiServer) -> None:
    server.answers[PATH] = refusal(409, "Conflict", "somebody changed it")

    with pytest.raises(LocalError, match=r"ConfigMap app/settings: .*somebody changed it"):
        kube.patch(CONFIG_MAP, {}, "tests")


def test_what_an_object_owns_is_deleted_before_it(kube: Kube, server: ApiServer) -> None:
    server.answers[PATH] = (200, {"kind": "Status", "status": "Success"})

    kube.delete(CONFIG_MAP)

    [request] = server.requests
    assert (request.method, request.path) == ("DELETE", PATH)
    assert request.body["propagationPolicy"] == "Foreground"


def test_an_object_that_is_not_there_is_deleted_already(kube: Kube) -> None:
    kube.delete(CONFIG_MAP)


def test_a_deletion_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_module, "POLL_INTERVAL", 0.0)
    answers: list[Object | None] = [CONFIG_MAP, CONFIG_MAP, None]

    class Lingering(InMemoryKube):
        def get(self, wanted: Object) -> Object | None:
            assert self.deleted == [describe(wanted)]
            return answers.pop(0)

    delete_and_wait(Lingering(), CONFIG_MAP)

    assert answers == []


def test_a_refusal_to_delete_is_told_with_its_reason(kube: Kube, server: ApiServer) -> None:
    server.answers[PATH] = refusal(403, "Forbidden", "you may not delete configmaps")

    with pytest.raises(LocalError, match=r"ConfigMap app/settings: .*you may not delete configmaps"):
        kube.delete(CONFIG_MAP)


@pytest.mark.parametrize(
    ("item", "text"), [(CONFIG_MAP, "ConfigMap app/settings"), (NAMESPACE, "Namespace app")], ids=["inside", "outside"]
)
def test_messages_name_kind_namespace_and_name(item: Object, text: str) -> None:
    assert describe(item) == text
