"""What counting needs of etcd, and how it may fail."""

from typing import Protocol

from etcd3.etcdrpc import (  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
    RangeRequest,
    RangeResponse,
    TxnRequest,
    TxnResponse,
)


class EtcdUnavailableError(Exception):
    """etcd did not answer. A transaction may have been applied, or may still be. The text says why, for the log."""


class EtcdRefusedError(Exception):
    """etcd said that this attempt has not been applied and will not be. The text is etcd's own."""


class LeaseNotFoundError(EtcdRefusedError):
    """The lease has ended."""


class CompactedError(EtcdRefusedError):
    """etcd no longer knows, or does not know yet, what was at that revision."""


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

    def revoke_lease(self, lease: int) -> None:
        """End a lease and delete its keys."""
