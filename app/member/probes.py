"""What a member answers while it is not etcd yet, on the port where etcd will: Kubernetes' probes, and the bytes of the
file that it made for others to start from.

It lives, and is not ready. Without an answer the kubelet would start a member anew that waits for somebody's decision,
again and again.
"""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from member.command import METRICS_PORT

# Seconds after which it sees that it is to end: etcd waits for that.
_POLL_INTERVAL = 0.05

# Returns where the file of this sha256 lies; None: there is none.
FindFile = Callable[[str], Path | None]


@contextmanager
def answered(find_file: FindFile = lambda _: None, port: int = METRICS_PORT) -> Iterator[int]:
    """Answer on `port`. Yields the port. Raises OSError if it is taken."""
    with ThreadingHTTPServer(("0.0.0.0", port), partial(_Answer, find_file)) as server:
        server.daemon_threads = True  # a member that has to start waits for no client
        threading.Thread(target=server.serve_forever, args=(_POLL_INTERVAL,), name="probes", daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


class _Answer(BaseHTTPRequestHandler):
    timeout = 5.0  # seconds that a client may take

    def __init__(self, find_file: FindFile, *arguments: object) -> None:
        self._find_file = find_file
        super().__init__(*arguments)  # type: ignore[arg-type]  # as the server passes them

    def do_GET(self) -> None:
        path = self._find_file(self.path.removeprefix("/files/")) if self.path.startswith("/files/") else None
        if path is not None:
            self._send_file(path)
            return
        self.send_response(HTTPStatus.OK if self.path == "/livez" else HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_file(self, path: Path) -> None:
        with path.open("rb") as file:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            shutil.copyfileobj(file, self.wfile)

    def log_message(self, format: str, *_: object) -> None:
        """A probe every few seconds is no news."""
