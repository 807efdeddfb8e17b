"""One member, asked itself: what only it can tell of its own data, and what must come from one and the same member."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed
from etcd3 import etcdrpc  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed

from etcd import counts, keys
from etcd.channel import resolve, to_any_of
from etcd.endpoints import Endpoint
from etcd.errors import CompactedError, EtcdRefusedError, EtcdUnavailableError

# Seconds. Nobody waits for these calls but backup and controller; a hash takes a second for each GB or so.
CALL_TIMEOUT = 2.0
HASH_TIMEOUT = 60.0
SNAPSHOT_TIMEOUT = 600.0

# AlarmType.CORRUPT, which is younger than the stubs.
_CORRUPT = 2

# Lease.LeaseLeases (etcd 3.3) is younger than the stubs. On the wire its answer, a list of IDs, has the shape of a list
# of members.
_LEASES = "/etcdserverpb.Lease/LeaseLeases"


@dataclass(frozen=True)
class Status:
    """What a member says of itself: its ID, its cluster's, the leader's (0: it knows none), its newest revision.

    `index` is that of the newest entry of its log.
    """

    member: int
    cluster: int
    leader: int
    revision: int
    version: str
    index: int = 0


@dataclass(frozen=True)
class Hash:
    """A hash of all that a member holds of the revisions from `compacted` to the one that was asked for."""

    value: int
    compacted: int


class Member:
    """A connection to one member. Safe for use by many threads.

    Every method raises EtcdUnavailableError if the member does not answer, and EtcdRefusedError if it says no.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        """Talk through this channel, and close it at the end."""
        self.channel = channel
        self._kv = etcdrpc.KVStub(channel)
        self._lease = etcdrpc.LeaseStub(channel)
        self._maintenance = etcdrpc.MaintenanceStub(channel)
        self._leases = channel.unary_unary(
            _LEASES,
            request_serializer=lambda _: b"",
            response_deserializer=etcdrpc.MemberListResponse.FromString,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.channel.close()

    def status(self, timeout: float = CALL_TIMEOUT) -> Status:
        answer = call(self._maintenance.Status, etcdrpc.StatusRequest(), timeout)
        header = answer.header
        return Status(
            header.member_id, header.cluster_id, answer.leader, header.revision, answer.version, answer.raftIndex
        )

    def read(self, request: etcdrpc.RangeRequest) -> etcdrpc.RangeResponse:
        """Read keys: linearizably, unless the request says otherwise."""
        return call(self._kv.Range, request)

    def count(self, revision: int = 0) -> tuple[int, int]:
        """The count and the revision that it is of: the newest that a quorum knows, or the one that is given.

        Raises etcd.keys.UnreadableKeyError, too.
        """
        answer = self.read(counts.read_totals(revision))
        return counts.count_in(answer.kvs), revision or int(answer.header.revision)

    def epoch(self, revision: int = 0) -> int:
        """Which of the deployment's clusters this is, as it says itself. Raises etcd.keys.UnreadableKeyError, too."""
        found = self.read(etcdrpc.RangeRequest(key=keys.EPOCH, revision=revision)).kvs
        return keys.parse_epoch(found[0].value) if found else keys.FIRST_EPOCH

    def hash(self, revision: int) -> Hash:
        """The hash of what this member holds at a revision. Raises CompactedError if it can't know that."""
        answer = self._hash_up_to(revision)
        if answer.header.revision == revision:
            # Where it compacted at this very revision, it told the hash that was kept of what was there before. It
            # tells what is there now if it is asked for none in particular.
            newest = self._hash_up_to(0)
            answer = newest if newest.header.revision == revision else answer
        return Hash(answer.hash, answer.compact_revision)

    def _hash_up_to(self, revision: int) -> etcdrpc.HashKVResponse:
        return call(self._maintenance.HashKV, etcdrpc.HashKVRequest(revision=revision), HASH_TIMEOUT)

    def snapshot(self) -> Iterator[bytes]:
        """The member's database in parts, and the SHA-256 of them all at the end."""
        with _errors():
            for part in self._maintenance.Snapshot(etcdrpc.SnapshotRequest(), timeout=SNAPSHOT_TIMEOUT):
                yield part.blob

    def is_corrupt(self) -> bool:
        """Whether some member's data were found to differ from the others'."""
        return bool(self.corrupt())

    def corrupt(self) -> frozenset[int]:
        """The IDs of those whose data were found to differ from the others'; 0 among them: nobody knows whose."""
        return frozenset(int(alarm.memberID) for alarm in self._alarms() if alarm.alarm == _CORRUPT)

    def disarm_all(self) -> None:
        """Take back every alarm."""
        self._disarm(self._alarms())

    def disarm_corrupt(self, member: int) -> None:
        """Take back the alarm that says that a member's data differ."""
        self._disarm(alarm for alarm in self._alarms() if alarm.alarm == _CORRUPT and alarm.memberID == member)

    def transact(self, request: etcdrpc.TxnRequest, timeout: float = HASH_TIMEOUT) -> etcdrpc.TxnResponse:
        """Apply a transaction. After EtcdUnavailableError it may have been applied, or may still be."""
        return call(self._kv.Txn, request, timeout)

    def compact(self, revision: int) -> None:
        """Forget what was before this revision, and wait until it is gone."""
        call(self._kv.Compact, etcdrpc.CompactionRequest(revision=revision, physical=True), HASH_TIMEOUT)

    def leases(self) -> list[int]:
        """The IDs of all leases."""
        return [lease.ID for lease in call(self._leases, None).members]

    def grant_lease(self, lease: int, seconds: int) -> None:
        """Make a lease of this ID."""
        call(self._lease.LeaseGrant, etcdrpc.LeaseGrantRequest(ID=lease, TTL=seconds))

    def lease_seconds(self, lease: int) -> int:
        """For how long a lease was granted; 0 if there is none."""
        return int(call(self._lease.LeaseTimeToLive, etcdrpc.LeaseTimeToLiveRequest(ID=lease)).grantedTTL)

    def keep_alive(self, leases: list[int]) -> dict[int, int]:
        """Begin the time of these leases anew. Returns how many seconds each has then; 0: there is no such lease."""
        requests = iter([etcdrpc.LeaseKeepAliveRequest(ID=lease) for lease in leases])
        with _errors():
            return {answer.ID: answer.TTL for answer in self._lease.LeaseKeepAlive(requests, timeout=CALL_TIMEOUT)}

    def _disarm(self, alarms: Iterable[Any]) -> None:
        for alarm in alarms:
            request = etcdrpc.AlarmRequest(
                action=etcdrpc.AlarmRequest.DEACTIVATE, memberID=alarm.memberID, alarm=alarm.alarm
            )
            call(self._maintenance.Alarm, request)

    def _alarms(self) -> Any:  # noqa: ANN401  # untyped stubs
        return call(self._maintenance.Alarm, etcdrpc.AlarmRequest(action=etcdrpc.AlarmRequest.GET)).alarms


def connect_to(endpoint: Endpoint) -> Member:
    """Connect to the member there. Raises EtcdUnavailableError if its name can't be resolved now."""
    addresses = resolve(endpoint)
    if not addresses:
        raise EtcdUnavailableError(f"the name {endpoint.host} can't be resolved")
    return Member(to_any_of(addresses))


def call(method: Any, request: Any, timeout: float = CALL_TIMEOUT) -> Any:  # noqa: ANN401  # untyped stubs
    """Raises EtcdUnavailableError if there is no answer within `timeout` seconds, EtcdRefusedError if it is no."""
    with _errors():
        return method(request, timeout=timeout)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # so gRPC says that the channel is closed
        raise EtcdUnavailableError(str(error)) from error
    except grpc.RpcError as error:
        raise _error(error) from error


def _error(error: grpc.RpcError) -> Exception:
    code, said = error.code(), str(error.details())
    if code is grpc.StatusCode.OUT_OF_RANGE:
        return CompactedError(said)
    if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND):
        return EtcdRefusedError(said)
    return EtcdUnavailableError(f"{code.name}: {said}")
