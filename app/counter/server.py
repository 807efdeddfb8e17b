"""The HTTP server: waitress, whose one loop does all the work that need not wait.

As it comes, waitress hands each request to a thread. Here a request whose answer waits for something is put aside until
that is there, and all answers are made in the loop's own thread, right where requests are read and answers are sent.
So no number of waiting clients keeps others from being served, and no time goes into passing requests from thread to
thread: at 50 clients this serves about twice as many a second.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType

from waitress import wasyncore  # type: ignore[import-untyped]  # waitress ships no types
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]
from waitress.task import ThreadedTaskDispatcher  # type: ignore[import-untyped]

from counter.channel import Begin, Channel
from counter.loop import Loop
from counter.observed import ObservedApp

_log = logging.getLogger(__name__)

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
        self._next_look = 0.0
        self._answered: list[Channel] = []  # whose answers are not sent yet
        self.app = app
        self.loop = Loop()
        no_threads = ThreadedTaskDispatcher()
        super().__init__(app, map=self.loop, dispatcher=no_threads, adj=adjustments, sockinfo=adjustments.listen[0])
        self.channel_class = Channel

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
        self.loop.call_soon(lambda: None)  # it need not wait for anything else

    def add_task(self, channel: Channel) -> None:
        """Begin what a channel's request asks for. Called by waitress, in the loop's thread."""
        work = channel.begin(self._begin)
        if work is None:
            self._answer_soon(channel)
        else:
            work.add_done_callback(lambda _: self._answer_soon(channel))

    def pull_trigger(self) -> None:
        """Does nothing: waitress would have its threads wake the loop here, and there are none."""

    def maintenance(self, now: float) -> None:
        """Does nothing: waitress would look for slow clients here, in the middle of a turn."""

    def _answer_soon(self, channel: Channel) -> None:
        """May be called by any thread."""
        self.loop.call_soon(partial(self._answer, channel))

    def _answer(self, channel: Channel) -> None:
        try:
            channel.answer()
        except Exception:  # costs one connection, not the replica
            channel.handle_error()
        else:
            self._answered.append(channel)

    def _send_answers(self) -> None:
        """Send all answers of this turn. To send each as soon as it is made would wake a process of many clients again
        and again, and switch between two kinds of work: 50 clients would get 8% fewer answers a second."""
        answered, self._answered = self._answered, []
        for channel in answered:
            wasyncore.write(channel)

    def _turn(self, seconds: float) -> None:
        """Wait for something to do, and do it."""
        began = time.time()
        self.loop.turn(seconds)
        self._send_answers()
        if began >= self._next_look:
            self._next_look = began + _LOOK_INTERVAL
            self._close_slow(began)  # by now all is read that had come by then

    def _close_slow(self, now: float) -> None:
        """Close the connections of clients who had sent nothing by now, or too slowly."""
        is_crowded = len(self.active_channels) > _CROWD
        idle, arrival = (_WHEN_CROWDED, _WHEN_CROWDED) if is_crowded else (_IDLE, _ARRIVAL)
        for channel in list(self.active_channels.values()):
            channel.close_if_slow(now, idle, arrival)

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
        since = time.time() - _JUST_MADE
        return any(channel.has_work(since) for channel in self.active_channels.values())


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
