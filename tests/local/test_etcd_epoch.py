import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from local import etcd_epoch
from local.errors import LocalError
from tests.local.in_memory_kube import InMemoryKube


class Member:
    """A member that answers with this status, and what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[tuple[str, object]] = []


@pytest.fixture
def kube() -> InMemoryKube:
    return InMemoryKube()


@pytest.fixture
def member(kube: InMemoryKube) -> Iterator[Member]:
    fake = Member()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fake.asked.append((self.path, json.loads(body)))
            self.send_response(fake.status)
            self.end_headers()
            self.wfile.write(b'{"error": "no space"}')

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    kube.ports["app", "etcd-0", 2379] = server.server_address[1]
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_is_put_as_etcd_s_json_has_it(kube: InMemoryKube, member: Member) -> None:
    etcd_epoch.put(kube, "app", 12)

    assert member.asked == [("/v3/kv/put", {"key": "ZXBvY2g=", "value": "MTI="})]


def test_a_refusal_is_told(kube: InMemoryKube, member: Member) -> None:
    member.status = 500

    with pytest.raises(LocalError, match=r"etcd-0 did not take the key 'epoch': 500 .*no space"):
        etcd_epoch.put(kube, "app", 12)


def test_a_member_that_can_not_be_reached_is_told(kube: InMemoryKube) -> None:
    with pytest.raises(LocalError, match="Pod app/etcd-0: port 2379 can't be reached"):
        etcd_epoch.put(kube, "app", 12)
