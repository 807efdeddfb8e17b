"""What counting needs of etcd."""

from typing import Protocol

from etcd3.etcdrpc import (  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
    RangeRequest,
    RangeResponse,
    TxnRequest,
    TxnResponse,
)


class Store(Protocol):
    """etcd as counting sees it. Every method raises EtcdUnavailableError or EtcdRefusedError. None sends twice."""

    def transact(self, request: TxnRequest) -> TxnResponse:
        """Apply a transaction as a whole."""

    def read(self, request: RangeRequest) -> RangeResponse:
        """Read keys, linearizably."""

    def grant_lease(self, seconds: int) -> int:
        """Return the ID of a new lease."""

    def keep_alive(self, lease: int) -> bool:
        """Begin a lease's time anew. Returns whether there still is such a lease."""

    def database_size(self) -> int:
        """Return how many bytes of etcd's database are in use."""

    def revoke_lease(self, lease: int) -> None:
        """End a lease and delete its keys."""
