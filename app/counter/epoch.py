"""Which epoch of the count etcd is in. After a restore it is another one, and the count may have gone back.

Each answer of etcd says of which cluster it is, by an ID; the key `epoch` says which epoch that cluster is. It is read
before the first answer of a cluster counts for anything: so nobody is told a count without its epoch. A cluster that
does not say yet - the controller puts the key where no restore did - can't be counted in.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from etcd3.etcdrpc import (  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
    RangeRequest,
    RangeResponse,
    TxnRequest,
    TxnResponse,
)

from counter.store import Store
from etcd import keys
from etcd.errors import EtcdUnavailableError
from etcd.keys import UnreadableKeyError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Known:
    """A cluster, by etcd's ID of it, and which epoch it is."""

    cluster: int
    epoch: int


class EpochStore:
    """A store that knows its epoch. Safe for use by many threads. What it is asked it hands on to another store."""

    def __init__(self, store: Store, entered: Callable[[int], None] = lambda _: None) -> None:
        """`entered` is told each epoch that is found, once."""
        self._store = store
        self._entered = entered
        self._known: _Known | None = None
        self._lock = threading.Lock()
        self.grant_lease = store.grant_lease
        self.keep_alive = store.keep_alive
        self.revoke_lease = store.revoke_lease
        self.database_size = store.database_size

    @property
    def epoch(self) -> int | None:
        """The epoch of whatever etcd answered last; None: it has not answered yet."""
        known = self._known
        return known.epoch if known is not None else None

    def require(self) -> None:
        """Raises EtcdUnavailableError as long as no cluster has said which epoch it is."""
        if self._known is None:
            self._find_out()

    def transact(self, request: TxnRequest) -> TxnResponse:
        """Apply a transaction, in a cluster whose epoch is known."""
        self.require()
        return self._checked(self._store.transact(request))

    def read(self, request: RangeRequest) -> RangeResponse:
        """Read keys, linearizably."""
        return self._checked(self._store.read(request))

    def _checked(self, response: Any) -> Any:  # noqa: ANN401  # untyped stubs
        known = self._known
        if known is None or response.header.cluster_id != known.cluster:
            self._find_out()
        return response

    def _find_out(self) -> None:
        with self._lock:
            answer = self._store.read(RangeRequest(key=keys.EPOCH))
            found = _known_by(answer)
            former, self._known = self._known, found
        if former is not None and found.epoch != former.epoch:
            _log.warning(
                "epoch %d of the count follows epoch %d: etcd was restored, and what was counted last may be missing",
                found.epoch,
                former.epoch,
            )
        if former is None or found.epoch != former.epoch:
            self._entered(found.epoch)


def _known_by(answer: RangeResponse) -> _Known:
    if not answer.kvs:
        raise EtcdUnavailableError("etcd does not say yet which epoch of the count this is: the controller puts it")
    try:
        return _Known(answer.header.cluster_id, keys.parse_epoch(answer.kvs[0].value))
    except UnreadableKeyError as error:
        raise EtcdUnavailableError(str(error)) from error
