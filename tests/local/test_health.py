"""Against servers on loopback."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed
import pytest

from local import certificates, health
from local.health import answers_ok, runtime_answers
from local.layout import Layout


class Handler(BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server; its address."""
    with ExitStack() as servers:

        def start(context: ssl.SSLContext | None = None) -> str:
            server = HTTPServer(("127.0.0.1", 0), Handler)
            if context:
                server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            servers.callback(thread.join)
            servers.callback(server.server_close)
            servers.callback(server.shutdown)
            return f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"

        yield start


@pytest.fixture
def api_server(cluster: Layout, serve: Serve) -> str:
    """The address of a server that has the API server's certificate, and wants one of its clients."""
    certificates.create(cluster)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=cluster.pki / "ca.crt")
    context.load_cert_chain(cluster.pki / "kube-apiserver.crt", cluster.pki / "kube-apiserver.key")
    context.verify_mode = ssl.CERT_REQUIRED
    return serve(context)


@pytest.mark.parametrize(("status", "ok"), [(200, True), (204, False), (401, False), (500, False), (503, False)])
def test_only_200_is_well(serve: Serve, status: int, ok: bool) -> None:
    assert answers_ok(f"{serve()}/{status}") is ok


def test_where_nobody_listens_nothing_is_well() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # but does not listen

        assert not answers_ok(f"http://127.0.0.1:{unused.getsockname()[1]}/200")


def test_a_server_that_never_answers_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "TIMEOUT", 0.1)
    started = time.monotonic()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not answers_ok(f"http://127.0.0.1:{silent.getsockname()[1]}/200")

    assert time.monotonic() < started + 1


def test_a_proxy_for_the_outside_is_not_asked(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert answers_ok(f"{serve()}/200")


def test_a_server_and_a_client_that_know_one_another(cluster: Layout, api_server: str) -> None:
    assert answers_ok(f"{api_server}/200", cluster.pki / "ca.crt", cluster.pki / "admin")


def test_a_client_without_a_certificate_is_not_served(cluster: Layout, api_server: str) -> None:
    assert not answers_ok(f"{api_server}/200", cluster.pki / "ca.crt")


def test_the_server_of_another_cluster_is_not_well(cluster: Layout, api_server: str) -> None:
    other = Layout("other", 1)
    certificates.create(other)

    assert not answers_ok(f"{api_server}/200", other.pki / "ca.crt", cluster.pki / "admin")


def test_before_the_certificates_are_made_nothing_is_well(cluster: Layout, serve: Serve) -> None:
    address = serve()

    assert not answers_ok(f"{address}/200", cluster.pki / "ca.crt", cluster.pki / "admin")


# A container runtime.


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """One that listens on the socket `here` of this folder. It is not initialized yet while this list says so."""
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    lacks: list[str] = []

    def version(request: bytes, context: grpc.ServicerContext) -> bytes:
        if lacks:
            context.abort(grpc.StatusCode.UNKNOWN, lacks[0])
        return request

    methods = {"Version": grpc.unary_unary_rpc_method_handler(version)}
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("runtime.v1.RuntimeService", methods),))
    server.add_insecure_port("unix:here")
    server.start()
    yield lacks
    server.stop(None).wait()


@pytest.mark.usefixtures("runtime")
def test_a_runtime_that_answers() -> None:
    assert runtime_answers(Path("here"))


def test_a_runtime_that_is_not_initialized_yet_does_not_answer(runtime: list[str]) -> None:
    runtime.append("server is not initialized yet")

    assert not runtime_answers(Path("here"))


@pytest.mark.usefixtures("runtime")
def test_a_runtime_that_there_is_not_does_not_answer() -> None:
    assert not runtime_answers(Path("there"))


def test_a_socket_whose_listener_is_gone_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("here")

    assert Path("here").exists()
    assert not runtime_answers(Path("here"))
