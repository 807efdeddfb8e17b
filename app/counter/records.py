"""Leases for the records of keyed increments.

Many records share a lease, since each lease costs etcd work; not too many, since etcd deletes all keys of one lease in
one go, and what else is asked of it waits meanwhile (0.6 s for 100,000).
"""

import threading
import time
from collections.abc import Callable

from counter.store import Store

# Seconds. A record can be relied on for 24 h; the rest covers the time for which a lease takes new ones.
RECORD_LIFE = 24 * 3600 + 20 * 60

MAX_AGE = 600.0
MAX_RECORDS = 5000


class RecordLeases:
    """The lease to put records on: a new one from time to time. Safe for use by many threads."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._lease = 0
        self._granted_at = 0.0
        self._records = 0

    def lease_for(self, records: int) -> int:
        """A lease for so many more records. Raises what `Store.grant_lease` does."""
        with self._lock:
            if not self._lease or self._records >= MAX_RECORDS or self._clock() - self._granted_at > MAX_AGE:
                self._lease = self._store.grant_lease(RECORD_LIFE)
                self._granted_at = self._clock()
                self._records = 0
            self._records += records
            return self._lease

    def forget(self, lease: int) -> None:
        """Use another lease from now on: etcd says that this one has ended."""
        with self._lock:
            if self._lease == lease:
                self._lease = 0
