"""What Kubernetes' probes are answered while the member is not etcd yet: it lives, and is not ready.

Without an answer the kubelet would start a member anew that waits for somebody's decision, again and again.
"""

from contextlib import AbstractContextManager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from member.addresses import METRICS_PORT
from member.listening import listening


def answered(port: int = METRICS_PORT) -> AbstractContextManager[int]:
    """Answer on `port`, where etcd will. Yields the port. Raises OSError if it is taken."""
    return listening(port, _Probe, "probes")


class _Probe(BaseHTTPRequestHandler):
    timeout = 5.0  # seconds that a client may take

    def do_GET(self) -> None:
        self.send_response(HTTPStatus.OK if self.path == "/livez" else HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *_: object) -> None:
        """A probe every few seconds is no news."""
