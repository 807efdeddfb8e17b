"""Replicas share transactions: all have the eldest of them commit their batches together with its own.

Nothing depends on who that is, on whether all agree on it, or on whether it works. A batch that the eldest does not
commit is committed by its own replica, and one of which nobody knows what became of it is settled as after any other
lost reply.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable

from etcd3.etcdrpc.kv_pb2 import KeyValue  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed

from counter.events import Events
from counter.merging import Merger
from counter.peers import Peer, PeerLostError, PeerServer
from counter.store import Store
from counter.transactions import Commit, Committed

_log = logging.getLogger(__name__)

# How many increments a batch must have to be shared. With fewer it is told sooner by itself.
SHARED_FROM = 4

# Seconds for which a replica is left alone that did not answer. If it hangs, others own its shard by then.
LEFT_ALONE = 20.0


class Sharing:
    """A replica's part in it. One thread may `commit` while another one says who there is to `meet`."""

    def __init__(
        self,
        store: Store,
        host: str,
        port: int,
        events: Events | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take batches of other replicas, at any port if it is 0. They reach it at `host`. Raises OSError."""
        self._merger = Merger(store, events)
        self._server = PeerServer(port, self._merger.commit)
        self.address = f"{host}:{self._server.port}"
        self._clock = clock
        self._lock = threading.Lock()
        self._is_eldest = False
        self._peer: Peer | None = None  # the eldest
        self._left_alone = ("", 0.0)  # an address, and until when

    def commit(self, commit: Commit) -> Committed | None:
        """Commit a batch together with those of others. None: it was not by this, nor will be.

        Raises EtcdUnavailableError if nobody knows.
        """
        if commit.size < SHARED_FROM:
            return None
        if self._is_eldest:
            return self._merger.commit(commit)
        with self._lock:
            if self._peer is None:
                return None
            try:
                return self._peer.commit(commit)
            except PeerLostError as error:
                _log.warning("batches are committed alone for a while: %s", error)
                self._left_alone = (self._peer.address, self._clock() + LEFT_ALONE)
                self._forget_peer()
                raise

    def meet(self, owners: Iterable[KeyValue]) -> None:
        """Find the eldest of all who own a shard. Each is its key, with its address, if it tells one, as the value."""
        by_age = sorted((pair for pair in owners if pair.value), key=lambda pair: int(pair.create_revision))
        eldest = by_age[0].value.decode(errors="replace") if len(by_age) > 1 else ""
        self._is_eldest = eldest == self.address
        with self._lock:
            if self._peer and (self._peer.address != eldest or self._peer.is_over()):
                self._forget_peer()
            if self._peer or not eldest or self._is_eldest:
                return
        address, until = self._left_alone
        if eldest == address and self._clock() < until:
            return
        try:
            peer = Peer(eldest)
        except (OSError, ValueError) as error:
            _log.warning("batches are committed alone: the replica at %r can't be reached: %s", eldest, error)
            return
        with self._lock:
            self._peer = peer

    def close(self) -> None:
        """Have done with it: what others send is not committed here."""
        self._merger.close()
        self._server.close()
        with self._lock:
            self._forget_peer()

    def _forget_peer(self) -> None:
        if self._peer:
            self._peer.close()
            self._peer = None
