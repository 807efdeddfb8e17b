"""The count, kept in etcd.

etcd itself counts the modifications of a key: the first put gives it version 1, each further put one more. The count is
the version of one key. An increment is one transaction, a put of that key followed by a read of it. etcd applies
transactions one after the other, each as a whole, so every increment gets a number of its own and none is skipped.
Replicas never wait for or retry against each other: there is no lock, and no comparison that could fail.

The key's value is the name of the replica that counted last, which helps whoever looks at the key by hand. Compaction
and snapshots keep the version; deleting the key sets the count back to zero.

Not covered: when the reply to a transaction is lost, nobody can tell whether etcd applied it. `increment` then raises
OutcomeUnknownError. Nothing is ever sent again, so a number may be skipped for the clients, but none is answered twice.

Source: https://etcd.io/docs/v3.6/learning/data_model/ and https://etcd.io/docs/v3.6/learning/api_guarantees/
"""

from dataclasses import dataclass
from typing import Protocol

from etcd3.etcdrpc import (  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
    PutRequest,
    RangeRequest,
    RangeResponse,
    RequestOp,
    TxnRequest,
    TxnResponse,
)

from counter.etcd import EtcdUnavailableError

COUNT_KEY = b"/counter/count"


class OutcomeUnknownError(EtcdUnavailableError):
    """etcd did not confirm an increment: it may or may not have been counted."""


class Store(Protocol):
    """The part of etcd that counting needs. Both methods raise EtcdUnavailableError when etcd can't answer now."""

    def transact(self, request: TxnRequest) -> TxnResponse:
        """Apply a transaction once, as a whole."""

    def read(self, request: RangeRequest) -> RangeResponse:
        """Read keys, linearizably."""


@dataclass(frozen=True)
class Counter:
    """The one count that all replicas share, as `replica` sees it. Safe for use by many threads."""

    store: Store
    replica: str

    def increment(self) -> int:
        """Count one and return the new count.

        Raises OutcomeUnknownError if etcd did not confirm it.
        """
        put = PutRequest(key=COUNT_KEY, value=self.replica.encode())
        try:
            response = self.store.transact(
                TxnRequest(success=[RequestOp(request_put=put), RequestOp(request_range=_read_request())])
            )
        except EtcdUnavailableError as error:
            raise OutcomeUnknownError(str(error)) from error
        return _version(response.responses[1].response_range)

    def fetch(self) -> int:
        """Return the count, with every increment in it that was answered before this call; 0 if there was none.

        Raises EtcdUnavailableError.
        """
        return _version(self.store.read(_read_request()))


def _read_request() -> RangeRequest:
    return RangeRequest(key=COUNT_KEY, keys_only=True)


def _version(response: RangeResponse) -> int:
    # A key that was never put is not in the answer at all.
    return int(response.kvs[0].version) if response.kvs else 0
