"""The part of etcd that the counter uses, in memory: transactions, revisions, leases, compaction, restore."""

import threading
from dataclasses import dataclass

from etcd3.etcdrpc import (  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
    Compare,
    RangeRequest,
    RangeResponse,
    RequestOp,
    ResponseOp,
    TxnRequest,
    TxnResponse,
)
from etcd3.etcdrpc.kv_pb2 import KeyValue  # type: ignore[import-untyped]
from etcd3.etcdrpc.rpc_pb2 import ResponseHeader  # type: ignore[import-untyped]

from etcd.errors import CompactedError, EtcdRefusedError, EtcdUnavailableError, LeaseNotFoundError

MAX_OPERATIONS = 128

# How far a restore moves the revision on, so that no revision of another history is met again.
RESTORE_BUMP = 1_000_000


@dataclass(frozen=True)
class Snapshot:
    revision: int
    pairs: dict[bytes, KeyValue]
    leases: frozenset[int]


class InMemoryEtcd:
    """One member that is always there, unless told not to be. Raises what the client of a real etcd raises."""

    def __init__(self) -> None:
        self.members = 3
        self.size = 0  # of the database, in bytes
        self.away = False
        self.loses_replies = False
        self.cluster = 1
        self.revision = 1
        self.transactions = 0
        self.leases: set[int] = set()
        self._compacted = 0
        self._lease_ids = 0
        self._lock = threading.Lock()
        self.pairs: dict[bytes, KeyValue] = {}
        self._history: dict[int, dict[bytes, KeyValue]] = {1: {}}

    @property
    def values(self) -> dict[bytes, bytes]:
        return {key: pair.value for key, pair in self.pairs.items()}

    # What clients ask

    def transact(self, request: TxnRequest) -> TxnResponse:
        self._check()
        with self._lock:
            response = self.apply(request)
        if self.loses_replies:
            raise EtcdUnavailableError("the reply was lost")
        return response

    def read(self, request: RangeRequest) -> RangeResponse:
        self._check()
        with self._lock:
            return self.range(request)

    def grant_lease(self, seconds: int) -> int:
        assert seconds > 0
        self._check()
        with self._lock:
            self._lease_ids += 1
            self.leases.add(self._lease_ids)
            return self._lease_ids

    def keep_alive(self, lease: int) -> bool:
        self._check()
        return lease in self.leases

    def revoke_lease(self, lease: int) -> None:
        self._check()
        with self._lock:
            self.expire(lease)

    def database_size(self) -> int:
        self._check()
        return self.size

    def count_members(self) -> int:
        self._check()
        return self.members

    # What etcd does with it

    def apply(self, request: TxnRequest) -> TxnResponse:
        self._refuse(request)
        succeeded = all(self._holds(compare) for compare in request.compare)
        operations = request.success if succeeded else request.failure
        if any(not operation.HasField("request_range") for operation in operations):
            self._write()
        self.transactions += 1
        responses = [self._do(operation) for operation in operations]
        return TxnResponse(header=self._header(), succeeded=succeeded, responses=responses)

    def range(self, request: RangeRequest) -> RangeResponse:
        assert not request.serializable, "a serializable read may be answered from the past"
        revision = request.revision or self.revision
        if not self._compacted <= revision <= self.revision:
            raise CompactedError(f"revision {revision} is not there")
        pairs = self._history[revision]
        if request.range_end:
            found = sorted(key for key in pairs if request.key <= key < request.range_end)
        else:
            found = [request.key] if request.key in pairs else []
        return RangeResponse(header=self._header(), kvs=[pairs[key] for key in found], count=len(found))

    def put(self, key: bytes, value: bytes) -> None:
        """What somebody else does."""
        self.apply(TxnRequest(success=[RequestOp(request_put={"key": key, "value": value})]))

    def delete(self, key: bytes) -> None:
        """What somebody else does."""
        self.apply(TxnRequest(success=[RequestOp(request_delete_range={"key": key})]))

    def expire(self, lease: int) -> None:
        """End a lease: its keys are deleted."""
        self.leases.discard(lease)
        lost = [key for key, pair in self.pairs.items() if pair.lease == lease]
        if lost:
            self._write()
            for key in lost:
                del self.pairs[key]

    def compact(self) -> None:
        """Forget all revisions but the newest."""
        self._compacted = self.revision
        self._history = {self.revision: self.pairs}

    def snapshot(self) -> Snapshot:
        return Snapshot(self.revision, dict(self.pairs), frozenset(self.leases))

    def restore(self, snapshot: Snapshot, *, bump: bool = True) -> None:
        """Go on from a snapshot, as another cluster; with its revisions moved on and marked as compacted."""
        self.cluster += 1
        self.pairs = dict(snapshot.pairs)
        self.leases = set(snapshot.leases)
        self.revision = snapshot.revision + (RESTORE_BUMP if bump else 0)
        history = {revision: then for revision, then in self._history.items() if revision <= snapshot.revision}
        self._history = {} if bump else history
        self._compacted = self.revision if bump else 0
        self._history[self.revision] = self.pairs

    def _check(self) -> None:
        if self.away:
            raise EtcdUnavailableError("connection refused by 192.0.2.1")

    def _refuse(self, request: TxnRequest) -> None:
        """What etcd refuses before it applies anything."""
        if max(len(request.compare), len(request.success), len(request.failure)) > MAX_OPERATIONS:
            raise EtcdRefusedError("too many operations in txn request")
        puts = [operation.request_put for operation in request.success if operation.HasField("request_put")]
        if len({put.key for put in puts}) < len(puts):
            raise EtcdRefusedError("duplicate key given in txn request")
        if any(put.lease and put.lease not in self.leases for put in puts) and all(map(self._holds, request.compare)):
            raise LeaseNotFoundError("requested lease not found")

    def _holds(self, compare: Compare) -> bool:
        pair = self.pairs.get(compare.key)
        assert compare.target == Compare.MOD
        modified = pair.mod_revision if pair else 0
        if compare.result == Compare.GREATER:
            return modified > int(compare.mod_revision)
        assert compare.result == Compare.EQUAL
        return modified == int(compare.mod_revision)

    def _write(self) -> None:
        """Begin the next revision. Its pairs change until the one after it."""
        self.revision += 1
        self.pairs = dict(self.pairs)
        self._history[self.revision] = self.pairs

    def _do(self, operation: RequestOp) -> ResponseOp:
        if operation.HasField("request_range"):
            return ResponseOp(response_range=self.range(operation.request_range))
        if operation.HasField("request_put"):
            put = operation.request_put
            before = self.pairs.get(put.key)
            self.pairs[put.key] = KeyValue(
                key=put.key,
                value=put.value,
                lease=put.lease,
                mod_revision=self.revision,
                create_revision=before.create_revision if before else self.revision,
            )
            return ResponseOp(response_put={})
        self.pairs.pop(operation.request_delete_range.key, None)
        return ResponseOp(response_delete_range={})

    def _header(self) -> ResponseHeader:
        return ResponseHeader(cluster_id=self.cluster, revision=self.revision)
