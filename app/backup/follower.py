"""A scratch etcd that follows the log: it begins with a snapshot and gets one transaction for each revision after it.

What etcd answers must be the revision that the log says. So a gap shows itself, and what the log makes of a snapshot
can be compared with the next one, or saved, at any time.
"""

from collections.abc import Callable
from pathlib import Path

from etcd3.etcdrpc import (  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
    DeleteRangeRequest,
    PutRequest,
    RequestOp,
    TxnRequest,
)
from etcd3.etcdrpc.kv_pb2 import Event  # type: ignore[import-untyped]

from backup.chain import Chain
from backup.log_file import Lease, Revision
from backup.manifest import Manifest
from backup.scratch import Scratch
from etcd.errors import EtcdRefusedError


class ReplayError(Exception):
    """The log does not go on from what the scratch etcd holds. The text says where and why."""


class Follower:
    """A snapshot and the log after it. For use by one thread at a time."""

    def __init__(self, base: Manifest, scratch: Scratch, log_folder: Path) -> None:
        """Go on from `scratch`, which was started from `base`, and is closed with this."""
        self.base = base
        self.scratch = scratch
        self.chain = Chain(log_folder, base.cluster, base.newest)

    def advance(self, until: int | None = None, report: Callable[[int], None] = lambda _: None) -> None:
        """Replay what the log has, up to a revision or to its end.

        `report` is told each revision that was replayed. Raises ReplayError, OSError and EtcdUnavailableError.
        """
        if until is not None and self.chain.revision >= until:
            return
        for record in self.chain.follow():
            match record:
                case Lease():
                    self._grant(record)
                case Revision():
                    self._apply(record)
                    report(record.revision)
                    if record.revision == until:
                        return

    def close(self) -> None:
        self.scratch.close()

    def _grant(self, lease: Lease) -> None:
        try:
            self.scratch.member.grant_lease(lease.id, lease.ttl)
        except EtcdRefusedError as error:
            if "exists" not in str(error):  # else the snapshot had it, though no key of it
                raise ReplayError(f"lease {lease.id:x}: {error}") from error

    def _apply(self, record: Revision) -> None:
        request = TxnRequest(success=[_operation(event) for event in record.response.events])
        try:
            applied = self.scratch.member.transact(request).header.revision
        except EtcdRefusedError as error:
            raise ReplayError(f"revision {record.revision}: {error}") from error
        if applied != record.revision:
            raise ReplayError(f"what the log has as revision {record.revision} became revision {applied}")


def _operation(event: Event) -> RequestOp:
    pair = event.kv
    if event.type == Event.DELETE:
        return RequestOp(request_delete_range=DeleteRangeRequest(key=pair.key))
    return RequestOp(request_put=PutRequest(key=pair.key, value=pair.value, lease=pair.lease))
