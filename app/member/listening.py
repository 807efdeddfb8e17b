"""A small HTTP server that a member has while it is not etcd yet, and whose port etcd takes over."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Seconds after which it sees that it is to end: etcd waits for that.
_POLL_INTERVAL = 0.05


@contextmanager
def listening(port: int, handler: Callable[..., BaseHTTPRequestHandler], name: str) -> Iterator[int]:
    """Have `handler` answer on `port`, in threads. Yields the port. Raises OSError if it is taken."""
    with ThreadingHTTPServer(("0.0.0.0", port), handler) as server:
        threading.Thread(target=server.serve_forever, args=(_POLL_INTERVAL,), name=name, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
