"""The HTTP server: waitress, whose one loop does all the work that need not wait.

As it comes, waitress hands each request to a thread. Here a request whose answer waits for something is put aside until
that is there, and all answers are made in the loop's own thread, right where requests are read and answers are sent.
So no number of waiting clients keeps others from being served, and no time goes into passing requests from thread to
thread: at 50 clients this serves about twice as many a second.
"""

import json
import logging
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from types import FrameType
from typing import Any

import falcon
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]  # waitress ships no types
from waitress.buffers import OverflowableBuffer  # type: ignore[import-untyped]
from waitress.channel import ClientDisconnected, HTTPChannel  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask  # type: ignore[import-untyped]
from waitress.utilities import Error  # type: ignore[import-untyped]

from counter.api import BEGUN
from counter.observed import ObservedApp
from counter.parser import Parser

_log = logging.getLogger(__name__)

Begin = Callable[[Mapping[str, Any]], Future[Any] | None]

_CONNECTIONS = 1000
_HEADER_BYTES = 16 * 1024
_BODY_BYTES = 64 * 1024

# Seconds that a connection may be without a request, and that a request may take to arrive. When there is hardly room
# for more connections, those of others have to make some.
_IDLE = 60.0
_ARRIVAL = 10.0
_WHEN_CROWDED = 1.0
_CROWD = 900

# Seconds between two looks at who is slow.
_LOOK_INTERVAL = 1.0

# Seconds for which the rest of a refused request is still taken, and thrown away. A connection that is closed while its
# client still sends is reset, and most clients then report that instead of the answer.
_HEARING_OUT = 2.0

# After so many answers the loop looks for new requests, so that nobody who sends many at once keeps others waiting.
_ANSWERS_AT_ONCE = 100

# No error's text is longer: it may quote what was sent.
_MAX_ERROR = 300

# Seconds after the signal to stop in which new connections are still taken: it takes a while until every node knows
# that this replica is to get none.
LINGERING = 5.0

# Seconds after that for requests that are under way, and for those of connections that have just been made.
_FINISHING = 10.0
_JUST_MADE = 1.0


class Server(TcpWSGIServer):  # type: ignore[misc]
    """Serves one application on every IPv4 address of the host. The port is taken when this is made; 0 takes any."""

    def __init__(
        self,
        app: ObservedApp,
        begin: Begin,
        port: int,
        stopping: threading.Event,
        lingering: float = LINGERING,
    ) -> None:
        """Make a server that takes connections; `run` serves them.

        Args:
            app: Makes the answers. It must not wait for anything.
            begin: Begins what the answer to a request has to wait for, given the request's WSGI environment. Returns
                None if that is nothing. The app is called when it is done, and finds it under BEGUN.
            port: The TCP port.
            stopping: Is set when the server is told to stop.
            lingering: Seconds for which it takes new connections after that.
        """
        adjustments = Adjustments(
            host="0.0.0.0",
            port=port,
            connection_limit=_CONNECTIONS,
            cleanup_interval=_LOOK_INTERVAL,
            max_request_header_size=_HEADER_BYTES,
            max_request_body_size=_BODY_BYTES,
            ident=None,  # no Server header
            clear_untrusted_proxy_headers=False,  # nothing here believes them
            log_socket_errors=False,  # clients that go away are no news
        )
        self.stopping = stopping
        self._lingering = lingering
        self._lingers = True
        self._begin = begin
        self._answerable: deque[_Channel] = deque()
        self._is_woken = False
        self.app = app
        no_threads = ThreadedTaskDispatcher()
        super().__init__(app, map={}, dispatcher=no_threads, adj=adjustments, sockinfo=adjustments.listen[0])
        self.channel_class = _Channel

    def run(self) -> None:
        """Serve until `stop`; then go on while clients still come, and answer everybody."""
        while not self.stopping.is_set():
            self._turn(_LOOK_INTERVAL)
        self._turn_until(time.monotonic() + self._lingering, lambda: self._lingers)
        self._take_no_more()
        self._turn_until(time.monotonic() + _FINISHING, self._has_work)
        for channel in list(self.active_channels.values()):
            channel.handle_close()

    def stop(self) -> None:
        """Have `run` end soon. Until then clients are told to close their connections. Told twice, it takes no more.

        May be called at any time, by a signal's handler, too.
        """
        self._lingers = not self.stopping.is_set()
        self.stopping.set()
        self.trigger.pull_trigger()

    def add_task(self, channel: "_Channel") -> None:
        """Begin what a channel's request asks for. Called by waitress, in the loop's thread."""
        work = channel.begin(self._begin)
        if work is None or work.done():
            self._answerable.append(channel)
        else:
            work.add_done_callback(lambda _: self._is_answerable(channel))

    def pull_trigger(self) -> None:
        """Does nothing: waitress would have its threads wake the loop here, and there are none."""

    def maintenance(self, now: float) -> None:
        """Close the connections of clients who send nothing, or too slowly. Called by waitress, about every second."""
        is_crowded = len(self.active_channels) > _CROWD
        for channel in list(self.active_channels.values()):
            channel.close_if_slow(
                now, _WHEN_CROWDED if is_crowded else _IDLE, _WHEN_CROWDED if is_crowded else _ARRIVAL
            )

    def _is_answerable(self, channel: "_Channel") -> None:
        """Called by the thread that has done the work."""
        self._answerable.append(channel)
        if not self._is_woken:  # once is enough for all that come until the loop is awake
            self._is_woken = True
            self.trigger.pull_trigger()

    def _turn(self, seconds: float) -> None:
        """Wait for something to do, and do it."""
        timeout = 0.0 if self._answerable else seconds
        self.asyncore.loop(timeout=timeout, map=self._map, use_poll=True, count=1)  # select() ends at file 1024
        self._is_woken = False
        for _ in range(_ANSWERS_AT_ONCE):
            if not self._answerable:
                return
            channel = self._answerable.popleft()
            try:
                channel.answer()
            except Exception:  # costs one connection, not the replica
                channel.handle_error()

    def _turn_until(self, end: float, goes_on: Callable[[], bool]) -> None:
        while goes_on() and time.monotonic() < end:
            self._turn(0.05)

    def _take_no_more(self) -> None:
        before = -1
        while before < len(self.active_channels):  # what the kernel has taken already would be reset
            before = len(self.active_channels)
            self.handle_accept()
        self.del_channel()
        self.socket.close()

    def _has_work(self) -> bool:
        now = time.time()
        return any(channel.has_work(now) for channel in self.active_channels.values())


class _Task(WSGITask):  # type: ignore[misc]
    def __init__(self, channel: "_Channel", request: Parser) -> None:
        super().__init__(channel, request)
        self.environ = channel.environ

    def start(self) -> None:
        super().start()
        if self.channel.server.stopping.is_set():
            self.request.headers["CONNECTION"] = "close"

    def finish(self) -> None:
        super().finish()
        self.channel.server.app.answered(self.environ, self.status, time.time() - self.channel.arrived_at)


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    """Says what waitress has against a request, in JSON as everything else."""

    def execute(self) -> None:
        error = self.request.error
        body = json.dumps({"message": f"{error.reason}: {error.body}"[:_MAX_ERROR]}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", falcon.MEDIA_JSON))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)
        self.channel.server.app.refused(self.status)


class _RequestTimeoutError(Error):  # type: ignore[misc]
    code = 408
    reason = "Request Timeout"


class _Channel(HTTPChannel):  # type: ignore[misc]
    """One connection. All of it happens in the loop's thread."""

    task_class = _Task
    error_task_class = _ErrorTask
    parser_class = Parser
    request: Parser | None = None  # that has not arrived whole
    environ: Mapping[str, Any] | None = None  # of the request that is under way
    arriving_since = 0.0
    arrived_at = 0.0
    unread = b""  # what came after the request that is under way
    is_refused = False  # a request was: no other is taken

    def received(self, data: bytes) -> None:
        """Take one request; what comes after it is read when it is answered. Called by waitress."""
        if self.is_refused:
            return
        self.unread += data
        while self.unread and not self.requests:
            if self.request is None:
                self.request = Parser(self.adj)
                self.arriving_since = time.time()
            self.unread = self.unread[self.request.received(self.unread) :]
            if self.request.completed:
                self.sent_continue = False
                if not self.request.empty:
                    self.requests.append(self.request)
                self.request = None
            elif self.request.expect_continue and self.request.headers_finished and not self.sent_continue:
                self.send_continue()
        if self.requests:
            self.server.add_task(self)

    def begin(self, begin: Begin) -> Future[Any] | None:
        request = self.requests[0]
        self.arrived_at = time.time()
        if request.error:
            return None
        self.environ = environ = WSGITask(self, request).get_environment()
        work = environ[BEGUN] = begin(environ)
        return work

    def write_soon(self, data: bytes) -> int:
        """Keep a part of an answer until there is all of it: each `send` costs as much as making the answer."""
        if not self.connected:
            raise ClientDisconnected
        if not self.total_outbufs_len:  # a buffer that was large once keeps all that ever went through it
            self.outbufs = [OverflowableBuffer(self.adj.outbuf_overflow)]
        self.outbufs[-1].append(data)
        self.total_outbufs_len += len(data)
        return len(data)

    def answer(self) -> None:
        is_refusal = self.requests[0].error is not None
        self.service()
        self.environ = None
        if is_refusal:
            self.is_refused = True
            self.close_when_flushed = False
            self.arriving_since = time.time()
        self.handle_write()

    def handle_write(self) -> None:
        """Send what there is to send. Then it is the next request's turn. Called by waitress, too."""
        super().handle_write()
        if not self.connected or self.total_outbufs_len:
            return
        if self.is_refused:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
        elif self.unread and not self.requests:
            self.received(b"")

    def handle_expt_event(self) -> None:
        """Close: HTTP knows no urgent data, and until somebody reads it, it would wake the loop again and again."""
        self.handle_close()

    def close_if_slow(self, now: float, idle: float, arrival: float) -> None:
        if self.requests:
            return
        if self.is_refused:
            if now - self.arriving_since > _HEARING_OUT:
                self.handle_close()
        elif self.request is not None and now - self.arriving_since > arrival:
            self.request.error = _RequestTimeoutError(f"this took longer than {arrival:.0f} s to arrive.")
            self.requests.append(self.request)
            self.request = None
            self.server.add_task(self)
        elif now - self.last_activity > idle:
            self.handle_close()  # at once: whoever reads nothing would never let it be closed after all is sent

    def has_work(self, now: float) -> bool:
        return bool(self.requests or self.request or self.total_outbufs_len or now - self.creation_time < _JUST_MADE)


def serve(server: Server) -> None:
    """Serve until SIGTERM or SIGINT; to be called from the main thread. Returns when everybody is answered."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    logging.getLogger("waitress").setLevel(logging.WARNING)  # clients that leave are no news
    _log.info("serving on port %s", server.effective_port)
    server.run()
    _log.info("stopped")
