"""How many increments with a key are taken: each leaves a record in etcd for a day, and etcd must not run full."""

import threading
import time
from collections.abc import Callable

# With three replicas and 138 bytes a record that is 1.9 GB at most, of the 2 GiB that etcd keeps by default. One full
# of records would count nothing at all.
RECORDS_PER_SECOND = 50.0
BURST = 100_000.0


class Budget:
    """What may be spent now: what is left of a burst, which fills up again steadily. Safe for use by many threads."""

    def __init__(
        self, per_second: float = RECORDS_PER_SECOND, burst: float = BURST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._left = burst
        self._counted_at = clock()

    def spend(self) -> bool:
        """Whether one more may be taken; if so, it is."""
        with self._lock:
            now = self._clock()
            self._left = min(self._left + (now - self._counted_at) * self._per_second, self._burst)
            self._counted_at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True
