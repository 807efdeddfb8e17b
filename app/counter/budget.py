"""How many increments with a key are taken: each leaves a record in etcd for a day, and etcd must not run full."""

import threading
import time
from collections.abc import Callable

# Of all replicas together. At 138 bytes a record that makes 1.8 GB, of the 2 GiB that etcd keeps by default; with the
# bursts of three replicas 1.9. One full of records would count nothing at all.
RECORDS_PER_SECOND = 150.0

# Of each replica.
BURST = 100_000.0


class Budget:
    """What one replica may spend now: what is left of a burst, which fills up again steadily. Safe for use by many
    threads."""

    def __init__(
        self, per_second: float = RECORDS_PER_SECOND, burst: float = BURST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`per_second` is for all replicas, of which this is taken for the only one at first."""
        self._in_all = self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._left = burst
        self._counted_at = clock()

    def spend(self) -> bool:
        """Whether one more may be taken; if so, it is."""
        with self._lock:
            self._fill_up()
            if self._left < 1:
                return False
            self._left -= 1
            return True

    def share(self, replicas: int) -> None:
        """Fill up only with one of so many equal parts from now on."""
        with self._lock:
            self._fill_up()
            self._per_second = self._in_all / max(replicas, 1)

    def _fill_up(self) -> None:
        now = self._clock()
        self._left = min(self._left + (now - self._counted_at) * self._per_second, self._burst)
        self._counted_at = now
