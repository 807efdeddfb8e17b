"""How long clients are kept waiting for an increment."""

import time
from collections import deque

from counter.requests import Request, Waiting


class Deadlines:
    """Requests that are to be settled in time, whatever etcd does. All wait for equally long: the first come is the
    first to be given up."""

    def __init__(self, waiting: Waiting, patience: float) -> None:
        """`patience` is in seconds."""
        self._waiting = waiting
        self._patience = patience
        self._requests: deque[tuple[float, Request]] = deque()

    def add(self, request: Request) -> None:
        self._requests.append((time.monotonic() + self._patience, request))

    def expire(self, now: float) -> None:
        """Settle those that have waited for long enough. To be called every now and then, by one thread."""
        while self._requests:
            deadline, request = self._requests[0]
            if not request.done():
                if deadline > now:
                    return
                request.settle(self._waiting.give_up(request))
            self._requests.popleft()
