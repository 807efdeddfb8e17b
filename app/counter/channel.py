"""One connection of the server: how requests come in and answers go out, all in the loop's thread.

waitress' channel is made for a loop that reads and writes, and threads that work. Here the loop does it all, and a
client must not be able to keep it busy, nor have it hold what nobody will ever fetch.
"""

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from waitress.buffers import OverflowableBuffer  # type: ignore[import-untyped]  # waitress ships no types
from waitress.channel import ClientDisconnected, HTTPChannel  # type: ignore[import-untyped]
from waitress.utilities import Error  # type: ignore[import-untyped]

from counter.api import BEGUN
from counter.parser import Parser
from counter.task import JsonErrorTask, Task
from counter.work import Work

# Begins what the answer to a request has to wait for, given its WSGI environment. None if that is nothing.
Begin = Callable[[Mapping[str, Any]], Work[Any] | None]

# Seconds for which the rest of a refused request is still taken, and thrown away. A connection that is closed while its
# client still sends is reset, and most clients then report that instead of the answer.
_HEARING_OUT = 2.0


class RequestTimeoutError(Error):  # type: ignore[misc]
    code = 408
    reason = "Request Timeout"


class Channel(HTTPChannel):  # type: ignore[misc]
    """One connection. All of it happens in the loop's thread."""

    error_task_class = JsonErrorTask
    parser_class = Parser
    request: Parser | None = None  # that has not arrived whole
    former: Parser | None = None  # the latest one, which does for the next one, too, if that was sent the same
    task: Task | None = None  # of the request that is under way
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
            if self.former is not None and self.request is None and self.unread.startswith(self.former.as_sent):
                self.unread = self.unread[len(self.former.as_sent) :]
                self.requests.append(self.former)
            else:
                self._read()
        if self.requests:
            self.server.add_task(self)

    def _read(self) -> None:
        """Read on in the request that arrives."""
        if self.request is None:
            self.request = Parser(self.adj)
            self.arriving_since = time.time()
        self.unread = self.unread[self.request.received(self.unread) :]
        if self.request.completed:
            self.sent_continue = False
            if not self.request.empty:
                self.requests.append(self.request)
                self.former = self.request if self.request.as_sent else None
            self.request = None
        elif self.request.expect_continue and self.request.headers_finished and not self.sent_continue:
            self.send_continue()

    def begin(self, begin: Begin) -> Work[Any] | None:
        request = self.requests[0]
        self.arrived_at = time.time()
        if request.error:
            return None
        self.task = Task(self, request)
        environ = self.task.environ = self.task.get_environment()
        work = environ[BEGUN] = begin(environ)
        return work

    def task_class(self, *_: object) -> Task | None:
        """The task that was made when its request had arrived. Called by waitress."""
        return self.task

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
        """Make the answer. `handle_write` sends it."""
        is_refusal = self.requests[0].error is not None
        self.service()
        self.task = None
        if is_refusal:
            self.is_refused = True
            self.close_when_flushed = False
            self.arriving_since = time.time()

    def handle_write(self) -> None:
        """Send what there is to send. Then it is the next request's turn. Called by waitress, too."""
        super().handle_write()
        if not self.connected:
            return
        if self.total_outbufs_len:
            self.server.loop.wait_for_room(self._fileno)
        elif self.is_refused:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
        elif self.unread and not self.requests:
            self.received(b"")

    def close_if_slow(self, now: float, idle: float, arrival: float) -> None:
        if self.requests:
            return
        if self.is_refused:
            if now - self.arriving_since > _HEARING_OUT:
                self.handle_close()
        elif self.request is not None and now - self.arriving_since > arrival:
            self.request.error = RequestTimeoutError(f"this took longer than {arrival:.0f} s to arrive.")
            self.requests.append(self.request)
            self.request = None
            self.server.add_task(self)
        elif now - self.last_activity > idle:
            self.handle_close()  # at once: whoever reads nothing would never let it be closed after all is sent

    def has_work(self, since: float) -> bool:
        """Whether there is a request or an answer on its way, or may well be, as this was made after `since`."""
        return bool(self.requests or self.request or self.total_outbufs_len or self.creation_time > since)
