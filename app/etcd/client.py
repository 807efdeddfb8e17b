"""How etcd is reached: one gRPC channel over all members, made anew after a failure, or if another member leads.

gRPC's pick_first keeps to one member, and moves to the next one when the connection to it breaks. Three things it
doesn't notice: that a name now means another address, that a name which didn't resolve at the start does so now, and
that the member it keeps to answers but can't serve, as a learner or one that is cut off from the others. So a failed
call has the channel renewed: names looked up again, another member first.

Any member takes a transaction, but only the leader can commit it; the others have to pass it on. So while all is well,
the client looks now and then whether it is connected to the leader, and if not, moves there.

The stubs are python3-etcd3's (module etcd3). Its client class is not used: after one failed call it refuses all calls
for five minutes (`Endpoint.time_retry`), and its exceptions drop what etcd said.
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed
from etcd3 import etcdrpc  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]  # it ships no types

from etcd.channel import resolve, to_any_of
from etcd.endpoints import Endpoint
from etcd.errors import CompactedError, EtcdRefusedError, EtcdUnavailableError, LeaseNotFoundError
from etcd.events import EtcdEvents
from etcd.health import EtcdHealth
from etcd.membership import LINEARIZABLE_LIST

# Seconds. A call takes milliseconds, on a busy machine tenths of a second. What takes longer is a member that hangs, or
# that has no leader: another one is asked then. What a member sent on to a leader that is gone is lost, and the others
# take 1 to 2 s to elect one: after two such calls there nearly always is one.
CALL_TIMEOUT = 0.8

# Seconds between two renewals, in which a new channel connects to some member. More than one may be needed: the next
# member may be a learner, or cut off as well.
RENEWAL_INTERVAL = 0.3

# Seconds between two looks for the leader.
LEADER_INTERVAL = 5.0

# What etcd itself says of a request that it has not applied and will not, by status (api/v3rpc/rpctypes/error.go in
# etcd's source). With any other status, or from gRPC on the way, nobody knows. Not among them is that the database is
# full (RESOURCE_EXHAUSTED): the transaction that fills it is applied, and answered like that all the same
# (quotaApplierV3 in server/etcdserver/apply/apply.go).
_ETCD_SAYS = "etcdserver: "
_REFUSALS = {
    grpc.StatusCode.NOT_FOUND: LeaseNotFoundError,
    grpc.StatusCode.OUT_OF_RANGE: CompactedError,
    grpc.StatusCode.INVALID_ARGUMENT: EtcdRefusedError,
    grpc.StatusCode.PERMISSION_DENIED: EtcdRefusedError,
    grpc.StatusCode.UNAUTHENTICATED: EtcdRefusedError,
}

# StatusResponse.dbSizeInUse (etcd 3.4), which is younger than the stubs.
_SIZE_IN_USE = 9


@dataclass(frozen=True)
class _Connection:
    channel: grpc.Channel
    kv: etcdrpc.KVStub
    cluster: etcdrpc.ClusterStub
    lease: etcdrpc.LeaseStub
    maintenance: etcdrpc.MaintenanceStub


class EtcdClient:
    """A client of the whole cluster. Safe for use by many threads.

    Every call returns or raises within CALL_TIMEOUT: EtcdUnavailableError when etcd can't answer now, EtcdRefusedError
    when it says that it won't do what it is asked to. Nothing is sent twice.
    """

    def __init__(self, endpoints: Sequence[Endpoint], events: EtcdEvents | None = None) -> None:
        # Replicas start with different members, so that they share the work.
        self._endpoints = deque(random.sample(endpoints, k=len(endpoints)))
        self._events = events or EtcdEvents()
        self._health = EtcdHealth(self._events)
        self._connection: _Connection | None = None
        self._renewal_due = threading.Event()
        self._renewal_due.set()
        self._closing = threading.Event()
        # A thread, since a name lookup may take far longer than a request may.
        threading.Thread(target=self._keep_connected, name="etcd-connection", daemon=True).start()

    def transact(self, request: etcdrpc.TxnRequest) -> etcdrpc.TxnResponse:
        """Apply a transaction. After EtcdUnavailableError it may have been applied, or may still be."""
        return self._call(lambda connection: connection.kv.Txn, request)

    def read(self, request: etcdrpc.RangeRequest) -> etcdrpc.RangeResponse:
        """Read keys: linearizably, unless the request says otherwise."""
        return self._call(lambda connection: connection.kv.Range, request)

    def grant_lease(self, seconds: int) -> int:
        """Return the ID of a new lease, which ends unless it is kept alive."""
        return int(
            self._call(lambda connection: connection.lease.LeaseGrant, etcdrpc.LeaseGrantRequest(TTL=seconds)).ID
        )

    def keep_alive(self, lease: int) -> bool:
        """Begin a lease's time anew. Returns whether there still is such a lease."""
        return bool(self._call(_keep_alive, etcdrpc.LeaseKeepAliveRequest(ID=lease)).TTL > 0)

    def revoke_lease(self, lease: int) -> None:
        """End a lease and delete its keys."""
        self._call(lambda connection: connection.lease.LeaseRevoke, etcdrpc.LeaseRevokeRequest(ID=lease))

    def count_members(self) -> int:
        """Return how many members the cluster has, learners included, as a quorum agrees on it now."""
        response = self._call(lambda connection: connection.cluster.MemberList, LINEARIZABLE_LIST)
        return len(response.members)

    def database_size(self) -> int:
        """Return how many bytes of one member's database are in use: without those that old data have left free."""
        response = self._call(lambda connection: connection.maintenance.Status, etcdrpc.StatusRequest())
        sizes = [field.data for field in UnknownFieldSet(response) if field.field_number == _SIZE_IN_USE]
        return int(sizes[0]) if sizes else int(response.dbSize)

    def close(self) -> None:
        """Break the connection. Calls under way raise EtcdUnavailableError."""
        self._closing.set()
        self._renewal_due.set()

    def _call(self, method_of: Callable[[_Connection], Any], request: Any) -> Any:  # noqa: ANN401  # untyped stubs
        connection = self._connection
        if connection is None:
            self._events.etcd_call_failed("not_connected")
            raise self._failure(connection, "no member's name has been resolved yet")
        try:
            response = method_of(connection)(request, timeout=CALL_TIMEOUT)
        except ValueError as error:  # so gRPC says, too, that the channel has been closed since we got hold of it
            self._events.etcd_call_failed("closed")
            raise self._failure(connection, str(error)) from error
        except grpc.RpcError as error:
            self._events.etcd_call_failed(error.code().name.lower())
            said = str(error.details())
            if said.startswith(_ETCD_SAYS) and error.code() in _REFUSALS:
                raise _REFUSALS[error.code()](said.removeprefix(_ETCD_SAYS)) from error
            raise self._failure(connection, f"{error.code().name}: {said}") from error
        self._health.answered(response.header.member_id)
        return response

    def _failure(self, connection: _Connection | None, reason: str) -> EtcdUnavailableError:
        self._health.failed(reason)
        if connection is self._connection:  # else it has been renewed already
            self._renewal_due.set()
        return EtcdUnavailableError(reason)

    def _keep_connected(self) -> None:
        while not self._closing.is_set():
            former = self._connection
            if self._renewal_due.wait(LEADER_INTERVAL):
                self._renew_connection()
            elif former is not None and not _leads(former):
                self._move_to_leader()
            if former is not None and former is not self._connection:
                _close_later(former.channel)
            self._closing.wait(RENEWAL_INTERVAL)
        if self._connection is not None:
            self._connection.channel.close()

    def _renew_connection(self) -> None:
        connection = self._connect_to_next()
        if connection is not None:  # else the addresses of before are the best guess there is
            self._connection = connection
            self._renewal_due.clear()

    def _move_to_leader(self) -> None:
        """Find the leader, if it can be reached from here. Until it has answered, all calls go where they went."""
        for _ in range(len(self._endpoints)):
            if self._renewal_due.is_set():
                return
            connection = self._connect_to_next()
            if connection is None:
                return
            if _leads(connection):
                self._connection = connection
                return
            connection.channel.close()

    def _connect_to_next(self) -> _Connection | None:
        """Connect to another member, or if it can't be reached, to any. None if no name can be resolved."""
        self._endpoints.rotate(-1)
        addresses = [address for endpoint in self._endpoints for address in resolve(endpoint)]
        return _connect(addresses) if addresses else None


def _leads(connection: _Connection) -> bool:
    """Whether this is a connection to the leader."""
    try:
        status = connection.maintenance.Status(etcdrpc.StatusRequest(), timeout=CALL_TIMEOUT)
    except grpc.RpcError:
        return False
    return bool(status.leader == status.header.member_id)


def _close_later(channel: grpc.Channel) -> None:
    """Close a channel when the calls on it have ended."""
    timer = threading.Timer(CALL_TIMEOUT, channel.close)
    timer.daemon = True
    timer.start()


def _keep_alive(connection: _Connection) -> Callable[..., Any]:
    """The call for one sign of life: etcd has only a stream of them."""

    def call(request: etcdrpc.LeaseKeepAliveRequest, timeout: float) -> etcdrpc.LeaseKeepAliveResponse:
        for response in connection.lease.LeaseKeepAlive(iter([request]), timeout=timeout):
            return response
        raise ValueError("the stream ended without an answer")

    return call


def _connect(addresses: Sequence[str]) -> _Connection:
    channel = to_any_of(addresses)
    return _Connection(
        channel,
        etcdrpc.KVStub(channel),
        etcdrpc.ClusterStub(channel),
        etcdrpc.LeaseStub(channel),
        etcdrpc.MaintenanceStub(channel),
    )
