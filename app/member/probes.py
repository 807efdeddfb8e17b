"""What Kubernetes' probes are answered while the member is not etcd yet: it lives, and is not ready.

Without an answer the kubelet would start a member anew that waits for somebody's decision, again and again.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from member.addresses import METRICS_PORT

# Seconds after which it sees that it is to end: etcd waits for that.
_POLL_INTERVAL = 0.05


@contextmanager
def answered(port: int = METRICS_PORT) -> Iterator[int]:
    """Answer on `port`, where etcd will. Yields the port. Raises OSError if it is taken."""
    with ThreadingHTTPServer(("0.0.0.0", port), _Probe) as server:
        threading.Thread(target=server.serve_forever, args=(_POLL_INTERVAL,), name="probes", daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


class _Probe(BaseHTTPRequestHandler):
    timeout = 5.0  # seconds that a client may take

    def do_GET(self) -> None:
        self.send_response(HTTPStatus.OK if self.path == "/livez" else HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *_: object) -> None:
        """A probe every few seconds is no news."""
