"""Reads that many ask for: one at a time, for all of them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from etcd.errors import EtcdUnavailableError

_Answer = TypeVar("_Answer")

# Seconds after which what went unanswered is asked again: another member is asked then.
RETRY_INTERVAL = 0.1


class Reads(Generic[_Answer]):
    """Reads for everybody who asks. Safe for use by many threads.

    A read answers only those who asked before it began. So the answer is not older than the question, unless that may
    be, and still etcd has one read at a time to do, however many ask.
    """

    def __init__(
        self,
        read: Callable[[], _Answer],
        patience: float = 0.0,
        max_age: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """What `read` raises is the answer, too. EtcdUnavailableError is so only after `patience`.

        Args:
            read: Called by a thread of its own.
            patience: Seconds for which what etcd does not answer is asked again.
            max_age: How many seconds old an answer may be.
        """
        self._read = read
        self._patience = patience
        self._max_age = max_age
        self._clock = clock
        self._changed = threading.Condition()
        # And until when it is young enough: one object, so that it can be read without the lock.
        self._latest: tuple[Future[_Answer], float] | None = None
        self._next: Future[_Answer] | None = None
        self._asked_at = 0.0
        self._closing = threading.Event()
        threading.Thread(target=self._work, name="read", daemon=True).start()

    def ask(self) -> Future[_Answer]:
        """The answer of a read that has yet to begin, or one that is young enough."""
        now = self._clock()
        latest = self._latest
        if latest is not None and now < latest[1]:
            return latest[0]
        with self._changed:
            if self._next is None:
                self._next = Future()
                self._asked_at = now
                self._changed.notify()
            return self._next

    def close(self) -> None:
        """Read no more than those who asked already wait for, and that once."""
        self._closing.set()
        with self._changed:
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next is not None or self._closing.is_set())
                if self._next is None:
                    return
                answer, self._next = self._next, None
                deadline = self._asked_at + self._patience
            self._settle(answer, deadline)
            self._latest = answer, self._clock() + self._max_age

    def _settle(self, answer: Future[_Answer], deadline: float) -> None:
        while True:
            try:
                answer.set_result(self._read())
                return
            except EtcdUnavailableError as error:
                if self._closing.is_set() or self._clock() + RETRY_INTERVAL > deadline:
                    answer.set_exception(error)
                    return
            except Exception as error:  # whoever asked is told, and may ask again
                answer.set_exception(error)
                return
            self._closing.wait(RETRY_INTERVAL)
