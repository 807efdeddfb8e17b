"""How many increments with a key are taken: each leaves a record in etcd for a day, and members must not run full.

A member without memory is killed, and all three have the same to remember: they would go within seconds of each other.
One without room in its database counts nothing at all.
"""

import threading
import time
from collections.abc import Callable

from counter.records import RECORD_LIFE

# Bytes that a record takes in a member's database (measured: 138 to 150).
RECORD_SIZE = 150

# Bytes that may be in use where nobody says how much room members have: little for etcd's own defaults.
DEFAULT_ROOM = 128 * 1024**2

# Of what there is room for, the part that each replica may spend at once.
_BURST = 0.05


class Budget:
    """What one replica may spend now: what is left of a burst, which fills up again steadily. Safe for use by many
    threads."""

    def __init__(self, room: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`room` is how many bytes of a member's database may be in use before no more increments with keys are taken.

        In the long run all replicas together spend that once in the life of a record. This one is taken for the only
        one at first.
        """
        self._room = room
        self._is_full = False
        self._in_all = self._per_second = room / RECORD_SIZE / RECORD_LIFE
        self._burst = room / RECORD_SIZE * _BURST
        self._clock = clock
        self._lock = threading.Lock()
        self._left = self._burst
        self._counted_at = clock()

    def spend(self) -> bool:
        """Whether one more may be taken; if so, it is."""
        with self._lock:
            self._fill_up()
            if self._is_full or self._left < 1:
                return False
            self._left -= 1
            return True

    def share(self, replicas: int) -> None:
        """Fill up only with one of so many equal parts from now on."""
        with self._lock:
            self._fill_up()
            self._per_second = self._in_all / max(replicas, 1)

    def see(self, database_size: int) -> bool:
        """Spend nothing while so many bytes are more than there is room for. Returns whether that has changed."""
        was_full, self._is_full = self._is_full, database_size > self._room
        return was_full != self._is_full

    @property
    def is_full(self) -> bool:
        """Whether there is no room at all."""
        return self._is_full

    def _fill_up(self) -> None:
        now = self._clock()
        self._left = min(self._left + (now - self._counted_at) * self._per_second, self._burst)
        self._counted_at = now
