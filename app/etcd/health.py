"""Whether etcd answers, told in the log once when it stops and once when it does so again; and which member does."""

import logging
import threading
import time
from collections.abc import Callable

from etcd.events import EtcdEvents

_log = logging.getLogger(__name__)

# While calls fail and succeed in turn, the log keeps to one pair of lines in this many seconds.
_SETTLED_AFTER = 1.0


class EtcdHealth:
    """What the latest calls to etcd say of it. Safe for use by many threads."""

    def __init__(self, events: EtcdEvents, clock: Callable[[], float] = time.monotonic) -> None:
        self._events = events
        self._clock = clock
        self._lock = threading.Lock()
        self._last_failure: float | None = None
        self._member = 0  # no member's ID

    def failed(self, reason: str) -> None:
        """Note that a call went unanswered."""
        with self._lock:
            if self._last_failure is None:
                _log.warning("etcd does not answer: %s", reason)
            self._last_failure = self._clock()

    def answered(self, member: int) -> None:
        """Note that a call was answered, by the member with this ID."""
        if self._last_failure is None and member == self._member:  # nearly always: no reason to wait for a lock
            return
        with self._lock:
            if self._member and member != self._member:
                self._events.etcd_failed_over()
            self._member = member
            if self._last_failure is not None and self._clock() - self._last_failure >= _SETTLED_AFTER:
                _log.info("etcd answers again")
                self._last_failure = None
