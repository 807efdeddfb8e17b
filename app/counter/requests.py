"""Increments that somebody waits for, and the queue in which they wait for a batch."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    """How an increment ended that has no value to tell."""

    NOT_COUNTED = "not counted"  # and never will be
    UNKNOWN = "unknown"  # it may have been counted, or may still be
    IN_RECORDS = "in the records"  # a keyed one: what there is to know is in etcd, under its key
    VALUE_LOST = "counted, but its value was never told"  # and nobody knows it any more
    NO_ROOM = "no room in the records"  # a keyed one that was not taken; one sent before may have been counted


@dataclass(frozen=True)
class Counted:
    """It was counted, and this is its value."""

    value: int


Outcome = Counted | Fate


class Request:
    """One increment, whose client waits for the outcome. It is settled once, by whoever does so first. Safe for use by
    many threads.

    It is Work, and could be a Future. But to make and settle one of those takes a fifth of all that a replica does for
    an increment.
    """

    __slots__ = ("_calls", "_lock", "is_given_up", "key", "outcome")

    def __init__(self, key: str | None = None) -> None:
        self.key = key
        self.is_given_up = False  # nobody waits for it any more
        self.outcome: Outcome | None = None  # how it ended, if it has
        self._lock = threading.Lock()
        self._calls: list[Callable[[Request], object]] = []

    def settle(self, outcome: Outcome) -> None:
        """Note how it ended, unless that is noted already."""
        with self._lock:
            if self.outcome is not None:
                return
            self.outcome = outcome
        for call in self._calls:
            call(self)

    def wait(self, seconds: float | None) -> Outcome | None:
        """How it ended, or None if that takes longer."""
        if self.outcome is None:
            settled = threading.Event()
            self.add_done_callback(lambda _: settled.set())
            settled.wait(seconds)
        return self.outcome

    def done(self) -> bool:
        return self.outcome is not None

    def result(self, timeout: float | None = None) -> Outcome:
        """How it ended. Raises TimeoutError if that takes longer."""
        outcome = self.wait(timeout)
        if outcome is None:
            raise TimeoutError
        return outcome

    def add_done_callback(self, call: Callable[["Request"], object], /) -> None:
        """Have something called when it is settled: by who settles it, or at once if it is."""
        with self._lock:
            if self.outcome is None:
                self._calls.append(call)
                return
        call(self)


class Waiting:
    """Requests that are in no batch yet, first come, first served. Safe for use by many threads."""

    def __init__(self) -> None:
        self._requests: deque[Request] = deque()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._taken = 0  # how many at once, last time
        self._wanted = 1  # how many must wait before whoever takes them is woken

    def add(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)
            if len(self._requests) >= self._wanted:
                self._changed.notify()

    def give_up(self, request: Request) -> Outcome:
        """Wait for a request no longer. Returns how it ended, as far as that is known."""
        with self._lock:
            try:
                self._requests.remove(request)
            except ValueError:
                request.is_given_up = True
                return request.outcome or Fate.UNKNOWN
        # A request with a key may be under way elsewhere.
        return Fate.NOT_COUNTED if request.key is None else Fate.UNKNOWN

    def take(self, max_keys: int) -> list[Request]:
        """Take what waits, with at most so many keys, no key twice. What does not fit goes on waiting."""
        with self._lock:
            taken: list[Request] = []
            left: deque[Request] = deque()
            keys: set[str] = set()
            for request in self._requests:
                if request.key is None:
                    taken.append(request)
                elif request.key in keys or len(keys) == max_keys:
                    left.append(request)
                else:
                    keys.add(request.key)
                    taken.append(request)
            self._requests = left
            self._taken = len(taken)
            return taken

    def put_back(self, requests: Sequence[Request]) -> None:
        """Have these wait again, before all others, but for those that nobody waits for."""
        with self._lock:
            self._requests.extendleft(request for request in reversed(requests) if not request.is_given_up)

    def __len__(self) -> int:
        return len(self._requests)

    def has_some(self) -> bool:
        return bool(self._requests)

    def wait(self, seconds: float, or_until: Callable[[], bool]) -> None:
        """Wait until there is a request, or something else holds that `wake` is called for."""
        with self._lock:
            self._changed.wait_for(lambda: self.has_some() or or_until(), seconds)

    def under_way(self) -> int:
        """How many were taken last, and how many have come since."""
        with self._lock:
            return self._taken + len(self._requests)

    def gather(self, wanted: int, seconds: float) -> None:
        """Wait a little until there are so many requests."""
        with self._lock:
            self._wanted = wanted
            self._changed.wait_for(lambda: len(self._requests) >= wanted, seconds)
            self._wanted = 1

    def wake(self) -> None:
        with self._lock:
            self._changed.notify_all()
