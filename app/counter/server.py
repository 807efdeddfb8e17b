"""The HTTP server: waitress, and how it stops."""

import logging
import signal
from types import FrameType
from typing import Any

import falcon
from waitress.server import create_server  # type: ignore[import-untyped]  # waitress ships no types

_log = logging.getLogger(__name__)

# A request that waits for etcd holds a thread for up to 3 s. Fifty clients that all wait must leave some threads for
# the probes: else a slow etcd would look like a dead replica.
_THREADS = 64

_CONNECTIONS = 1000
_HEADER_BYTES = 8192
_BODY_BYTES = 1024


def serve(app: falcon.App[Any, Any], port: int) -> None:
    """Serve `app` on every IPv4 address of the host until SIGTERM or SIGINT; to be called from the main thread.

    When told to stop, it takes no more connections and finishes the requests that threads are at work on, for at most
    5 s (waitress.task.ThreadedTaskDispatcher.shutdown). Then it returns. Port 0 takes any free port.
    """
    server = create_server(
        app,
        host="0.0.0.0",
        port=port,
        threads=_THREADS,
        connection_limit=_CONNECTIONS,
        asyncore_use_poll=True,  # select() ends at 1024 file descriptors
        max_request_header_size=_HEADER_BYTES,
        max_request_body_size=_BODY_BYTES,
        ident=None,  # no Server header
        log_socket_errors=False,  # clients that go away are no news
    )
    logging.getLogger("waitress").setLevel(logging.WARNING)  # clients that leave are no news here either
    # It warns whenever a request finds no idle thread, which under load is every request.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.socket.close()
        raise SystemExit  # waitress catches it, and ends its loop and its threads in good order

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    _log.info("serving on port %s", server.effective_port)
    server.run()
    _log.info("stopped")
