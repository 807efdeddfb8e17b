"""The Service etcd-backup with its HTTP interface, in memory and on loopback, for tests of those who ask it."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local.kube import Object
from tests.local.in_memory_kube import InMemoryKube

NAMESPACE = "ha-counter"
POD = "etcd-backup-1"
SELECTOR = {"app.kubernetes.io/name": "etcd-backup"}


def snapshot(name: str, count: int = 10, *, reason: str = "schedule", proven: str = "yes", log: str = "") -> Object:
    return {
        "name": name,
        "time": "2030-01-01T00:00:00.000Z",
        "reason": reason,
        "epoch": 1,
        "cluster": "abc",
        "revision": 100,
        "count": count,
        "size": 3 << 20,
        "sha256": "00" * 32,
        "proven": proven,
        "log": log,
    }


class FakeBackup:
    """Snapshots are proven when they have been looked at a second time, restore files made likewise."""

    def __init__(self) -> None:
        self.snapshots: list[Object] = []
        self.live: Object | None = {"epoch": 1, "cluster": "abc", "count": 12, "revision": 120}
        self.log: Object = {
            "complete_to": 120,
            "complete_at": "2030-01-01T00:00:01.000Z",
            "lag_seconds": 0.4,
            "problem": None,
        }
        self.passed_over: list[str] = []
        self.proof = "yes"  # how proofs end
        self.file = b"a restore file"
        self.made: Object = {
            "name": "restore-1",
            "sha256": hashlib.sha256(self.file).hexdigest(),
            "size": len(self.file),
            "epoch": 2,
            "bump": 10**9,
            "count": 11,
            "revision": 110,
            "source": "snapshot-1",
            "live_count": 12,
        }
        self.making_fails = ""
        self.refuses: dict[str, tuple[int, Object]] = {}  # "METHOD /path" -> status and answer
        self.hangs: set[str] = set()
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.on_overview: Callable[[], None] = lambda: None
        self._looks = 0
        self._over = threading.Event()

    @contextmanager
    def served(self, kube: InMemoryKube) -> Iterator[None]:
        """Reachable as the Service in the cluster while the block runs."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        _put(kube)
        kube.ports[NAMESPACE, POD, 8080] = server.server_address[1]
        try:
            yield
        finally:
            self._over.set()
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """The status and the body of an answer."""
        request = f"{method} {path}"
        self.asked.append(request)
        self.bodies.append(body)
        if request in self.hangs:
            self._over.wait()
        if request in self.refuses:
            status, told = self.refuses[request]
            return status, json.dumps(told).encode()
        if request == f"GET /files/{self.made['name']}":
            return 200, self.file
        status, told = self._told(method, path)
        return status, json.dumps(told).encode()

    def _told(self, method: str, path: str) -> tuple[int, Object]:
        if (method, path) == ("GET", "/snapshots"):
            self._prove()
            self.on_overview()
            return 200, {
                "snapshots": self.snapshots,
                "log": self.log,
                "live": self.live,
                "passed_over": self.passed_over,
            }
        if method == "POST" and path.startswith("/snapshots?reason="):
            return 201, self._taken(path.partition("=")[2], "pending")
        if (method, path) == ("POST", "/restore-files"):
            self._looks = 0
            return 202, {"id": "7"}
        if (method, path) == ("GET", "/restore-files/7"):
            return 200, self._job()
        if (method, path) == ("PUT", "/files"):
            return 201, self._taken("upload", "yes")
        return 404, {"title": "Not found", "description": path}

    def _taken(self, reason: str, proven: str) -> Object:
        taken = snapshot(f"snapshot-{len(self.snapshots) + 1}", 12, reason=reason, proven=proven)
        self.snapshots.append(taken)
        self._looks = 0
        return taken

    def _prove(self) -> None:
        self._looks += 1
        for item in self.snapshots:
            if item["proven"] == "pending" and self._looks > 1:
                item["proven"] = self.proof

    def _job(self) -> Object:
        self._looks += 1
        job: dict[str, Any] = {"id": "7", "state": "making", "step": "replay", "done": 3, "of": 9, "error": None}
        if self._looks > 1 and self.making_fails:
            return {**job, "state": "failed", "error": self.making_fails, "file": None}
        if self._looks > 1:
            return {**job, "state": "done", "file": self.made}
        return {**job, "file": None}


def _put(kube: InMemoryKube) -> None:
    service = {"namespace": NAMESPACE, "name": "etcd-backup"}
    kube.put({"apiVersion": "v1", "kind": "Service", "metadata": service, "spec": {"selector": SELECTOR}})
    pod = {"namespace": NAMESPACE, "name": POD, "labels": SELECTOR}
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    kube.put({"apiVersion": "v1", "kind": "Pod", "metadata": pod, "status": ready})


def _handler(backup: FakeBackup) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else the body waits for the headers to be acknowledged

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = backup.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_POST(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
