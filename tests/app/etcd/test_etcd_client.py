"""The client against gRPC servers on loopback that speak etcd's protocol, or fail to."""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed
import pytest
from etcd3 import etcdrpc  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed

from counter.events import Events
from etcd import client
from etcd.client import EtcdClient
from etcd.endpoints import Endpoint
from etcd.errors import CompactedError, EtcdRefusedError, EtcdUnavailableError, LeaseNotFoundError
from tests.app.counter.in_memory_etcd import InMemoryEtcd
from tests.app.counter.recorded_events import RecordedEvents
from tests.app.counter.until import until

PROMISED = 2.0  # seconds within which a request without etcd is answered

Addresses = list[tuple[object, ...]]  # as socket.getaddrinfo gives them
Connect = Callable[..., EtcdClient]
StartMember = Callable[..., "Member"]


SERVICES = (etcdrpc.KVServicer, etcdrpc.ClusterServicer, etcdrpc.LeaseServicer, etcdrpc.MaintenanceServicer)


class Member(*SERVICES):  # type: ignore[misc]  # untyped
    """One etcd member that listens on a port of 127.0.0.1, which is its ID, too."""

    def __init__(self, store: InMemoryEtcd, port: int = 0) -> None:
        self.status: grpc.StatusCode | None = None
        self.details = "told to"
        self.ends_streams = False
        self.leader = 0  # the leader's ID, as far as this member knows
        self.asked_for_leader = 0
        self.more_of_status = b""
        self.requests: list[Any] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._store = store
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        etcdrpc.add_KVServicer_to_server(self, self._server)
        etcdrpc.add_ClusterServicer_to_server(self, self._server)
        etcdrpc.add_LeaseServicer_to_server(self, self._server)
        etcdrpc.add_MaintenanceServicer_to_server(self, self._server)
        self.port: int = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    def Txn(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802  # the stubs' own
        self._take(request, context)
        return self._store.transact(request)

    def Range(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self._take(request, context)
        return self._store.read(request)

    def MemberList(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self._take(request, context)
        header = etcdrpc.ResponseHeader(member_id=self.port)
        return etcdrpc.MemberListResponse(
            header=header, members=[etcdrpc.Member(ID=n) for n in range(self._store.members)]
        )

    def LeaseGrant(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self._take(request, context)
        return etcdrpc.LeaseGrantResponse(ID=self._store.grant_lease(request.TTL), TTL=request.TTL)

    def LeaseKeepAlive(self, requests: Any, context: Any) -> Any:  # noqa: ANN401, N802
        for request in requests:
            self._take(request, context)
            if self.ends_streams:
                return
            yield etcdrpc.LeaseKeepAliveResponse(ID=request.ID, TTL=15 * self._store.keep_alive(request.ID))

    def LeaseRevoke(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self._take(request, context)
        self._store.revoke_lease(request.ID)
        return etcdrpc.LeaseRevokeResponse()

    def Status(self, _request: Any, _context: Any) -> Any:  # noqa: ANN401, N802
        self.asked_for_leader += 1
        self.may_answer.wait()
        header = etcdrpc.ResponseHeader(member_id=self.port)
        answer = etcdrpc.StatusResponse(header=header, leader=self.leader, dbSize=127)
        # Field 9 is dbSizeInUse, which the stubs don't know.
        return etcdrpc.StatusResponse.FromString(answer.SerializeToString() + self.more_of_status)

    def stop(self) -> None:
        self.may_answer.set()
        self._server.stop(grace=None).wait()

    def _take(self, request: Any, context: Any) -> None:  # noqa: ANN401
        self.requests.append(request)
        self.may_answer.wait()
        if self.status is not None:
            context.abort(self.status, self.details)


@pytest.fixture
def resources() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start_member(resources: ExitStack, store: InMemoryEtcd) -> StartMember:
    def start(port: int = 0) -> Member:
        member = Member(store, port)
        resources.callback(member.stop)
        return member

    return start


@pytest.fixture
def connect(resources: ExitStack) -> Connect:
    def connect(*ports: int, host: str = "127.0.0.1", events: Events | None = None) -> EtcdClient:
        return resources.enter_context(closing(EtcdClient([Endpoint(host, port) for port in ports], events)))

    return connect


@pytest.fixture
def quick_renewal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RENEWAL_INTERVAL", 0.05)


@pytest.fixture
def quick_look_for_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RENEWAL_INTERVAL", 0.01)
    monkeypatch.setattr(client, "LEADER_INTERVAL", 0.05)


@pytest.fixture
def second_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients start with the second of their endpoints, instead of any."""
    monkeypatch.setattr(random, "sample", lambda population, k: population[:k])


def resolved(port: int) -> Addresses:
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]


def answer_of(client: EtcdClient, within: float = 10.0) -> int:
    """Ask until there is an answer; fail if that takes longer than `within` seconds."""
    end = time.monotonic() + within
    while True:
        try:
            return client.count_members()
        except EtcdUnavailableError:
            if time.monotonic() > end:
                raise


def seconds_to_fail(client: EtcdClient) -> float:
    """Return how long the slowest of the calls takes to say that etcd is unavailable."""

    def measure(call: Callable[[], object]) -> float:
        start = time.monotonic()
        with pytest.raises(EtcdUnavailableError):
            call()
        return time.monotonic() - start

    calls = [
        client.count_members,
        lambda: client.read(etcdrpc.RangeRequest(key=b"key")),
        lambda: client.transact(etcdrpc.TxnRequest()),
        lambda: client.grant_lease(15),
        lambda: client.keep_alive(1),
        lambda: client.revoke_lease(1),
    ]
    with ThreadPoolExecutor(len(calls)) as threads:
        return max(threads.map(measure, calls))


@pytest.mark.parametrize(("more", "size"), [(b"\x48\x64", 100), (b"", 127)])
def test_how_much_of_the_database_is_in_use(
    start_member: StartMember, connect: Connect, more: bytes, size: int
) -> None:
    member = start_member()
    member.more_of_status = more
    client = connect(member.port)
    assert answer_of(client) == 3
    assert client.database_size() == size


def test_the_three_calls(start_member: StartMember, connect: Connect) -> None:
    client = connect(start_member().port)
    assert answer_of(client) == 3
    put = etcdrpc.RequestOp(request_put=etcdrpc.PutRequest(key=b"key", value=b"value"))
    assert client.transact(etcdrpc.TxnRequest(success=[put])).succeeded
    assert [kv.value for kv in client.read(etcdrpc.RangeRequest(key=b"key")).kvs] == [b"value"]


def test_a_lease_lives_until_it_is_revoked(start_member: StartMember, connect: Connect, store: InMemoryEtcd) -> None:
    client = connect(start_member().port)
    answer_of(client)
    lease = client.grant_lease(15)
    assert store.leases == {lease}
    assert client.keep_alive(lease)
    client.revoke_lease(lease)
    assert store.leases == set()
    assert not client.keep_alive(lease)


def test_a_sign_of_life_without_an_answer_tells_nothing(start_member: StartMember, connect: Connect) -> None:
    member = start_member()
    client = connect(member.port)
    answer_of(client)
    member.ends_streams = True
    with pytest.raises(EtcdUnavailableError, match="without an answer"):
        client.keep_alive(1)


def test_a_call_on_a_connection_that_is_closed_meanwhile_is_an_outage(
    start_member: StartMember, connect: Connect
) -> None:
    client = connect(start_member().port)
    answer_of(client)
    assert client._connection is not None
    client._connection.channel.close()
    with pytest.raises(EtcdUnavailableError, match="closed"):
        client.transact(etcdrpc.TxnRequest())
    assert answer_of(client) == 3


def test_members_are_asked_for_linearizably(start_member: StartMember, connect: Connect) -> None:
    member = start_member()
    answer_of(connect(member.port))
    assert member.requests[-1].SerializeToString() == b"\x08\x01"


def test_a_closed_port_is_told_in_time(unused_port: int, connect: Connect) -> None:
    assert seconds_to_fail(connect(unused_port)) < PROMISED


def test_a_member_that_stops_answering_is_told_in_time(start_member: StartMember, connect: Connect) -> None:
    member = start_member()
    client = connect(member.port)
    assert answer_of(client) == 3
    member.may_answer.clear()
    assert seconds_to_fail(client) < PROMISED


def test_a_member_that_never_speaks_is_told_in_time(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections are made, but nothing reads from them
        assert seconds_to_fail(connect(silent.getsockname()[1])) < PROMISED


def test_a_name_lookup_that_hangs_is_told_in_time_and_used_when_it_ends(
    start_member: StartMember, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = start_member()
    lookup_may_end = threading.Event()

    def look_up(_host: str, port: int, *_: object) -> Addresses:
        lookup_may_end.wait()
        return resolved(port)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = connect(member.port, host="etcd0")
    try:
        assert seconds_to_fail(client) < PROMISED
    finally:
        lookup_may_end.set()
    assert answer_of(client) == 3


@pytest.mark.usefixtures("quick_renewal")
def test_names_that_resolve_late_or_anew_are_followed(
    start_member: StartMember, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports: list[int] = []  # instead of addresses, of which this host may have but one

    def look_up(_host: str, _port: int, *_: object) -> Addresses:
        if not ports:
            raise socket.gaierror("not known")
        return resolved(ports[0])

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = connect(2379, host="etcd0")
    assert seconds_to_fail(client) < PROMISED
    first = start_member()
    ports[:] = [first.port]
    assert answer_of(client) == 3
    second = start_member()
    first.stop()
    ports[:] = [second.port]
    assert answer_of(client) == 3
    assert second.requests


@pytest.mark.usefixtures("quick_renewal")
def test_names_that_stop_resolving_cost_nothing(
    start_member: StartMember, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = start_member()
    client = connect(member.port)
    assert answer_of(client) == 3
    looked_up = threading.Event()

    def look_up(*_: object) -> Addresses:
        looked_up.set()
        raise socket.gaierror("not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    member.status = grpc.StatusCode.UNAVAILABLE
    assert seconds_to_fail(client) < PROMISED
    assert looked_up.wait(timeout=5)
    member.status = None
    assert answer_of(client, within=5) == 3


def test_a_member_that_comes_back_is_found_again(start_member: StartMember, connect: Connect) -> None:
    member = start_member()
    client = connect(member.port)
    assert answer_of(client) == 3
    member.stop()
    assert seconds_to_fail(client) < PROMISED
    start_member(member.port)
    assert answer_of(client, within=5) == 3


def test_another_member_steps_in(start_member: StartMember, connect: Connect, unused_port: int) -> None:
    members = [start_member(), start_member()]
    client = connect(unused_port, *(member.port for member in members))
    assert answer_of(client) == 3
    [used] = [member for member in members if member.requests]
    used.stop()
    assert answer_of(client, within=5) == 3


@pytest.mark.usefixtures("quick_renewal")
@pytest.mark.parametrize("status", [grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNAVAILABLE])
def test_a_member_that_answers_but_cannot_serve_is_left(
    start_member: StartMember, connect: Connect, status: grpc.StatusCode
) -> None:
    members = [start_member(), start_member()]
    client = connect(*(member.port for member in members))
    assert answer_of(client) == 3
    [used] = [member for member in members if member.requests]
    used.status = status
    assert answer_of(client, within=5) == 3


def test_a_transaction_is_never_sent_twice(start_member: StartMember, connect: Connect) -> None:
    member = start_member()
    client = connect(member.port)
    answer_of(client)
    member.status = grpc.StatusCode.UNAVAILABLE
    member.requests.clear()
    with pytest.raises(EtcdUnavailableError, match="UNAVAILABLE: told to"):
        client.transact(etcdrpc.TxnRequest())
    assert len(member.requests) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (grpc.StatusCode.NOT_FOUND, LeaseNotFoundError),
        (grpc.StatusCode.OUT_OF_RANGE, CompactedError),
        (grpc.StatusCode.INVALID_ARGUMENT, EtcdRefusedError),
    ],
)
def test_what_etcd_refuses_is_no_outage(
    start_member: StartMember, connect: Connect, status: grpc.StatusCode, error: type[Exception]
) -> None:
    member = start_member()
    client = connect(member.port)
    answer_of(client)
    member.status, member.details = status, "etcdserver: for a reason"
    with pytest.raises(error, match=r"^for a reason$"):
        client.transact(etcdrpc.TxnRequest())


def test_a_full_database_may_have_taken_the_transaction(start_member: StartMember, connect: Connect) -> None:
    member = start_member()
    client = connect(member.port)
    answer_of(client)
    member.status, member.details = grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"
    with pytest.raises(EtcdUnavailableError, match="space exceeded"):
        client.transact(etcdrpc.TxnRequest())


def test_calls_that_fail_are_told_by_reason(start_member: StartMember, connect: Connect) -> None:
    events = RecordedEvents()
    member = start_member()
    client = connect(member.port, events=events)
    answer_of(client)
    events.happened.clear()
    for member.status, member.details in [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"),
        (grpc.StatusCode.NOT_FOUND, "etcdserver: requested lease not found"),
    ]:
        with pytest.raises((EtcdUnavailableError, EtcdRefusedError)):
            client.revoke_lease(1)
    assert events.happened == ["etcd: resource_exhausted", "etcd: not_found"]


def test_a_call_before_a_name_is_resolved_is_told(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object) -> Addresses:
        raise socket.gaierror("not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    events = RecordedEvents()
    with pytest.raises(EtcdUnavailableError):
        connect(2379, host="etcd0", events=events).count_members()
    assert events.happened == ["etcd: not_connected"]


def test_a_call_on_a_closed_connection_is_told(start_member: StartMember, connect: Connect) -> None:
    events = RecordedEvents()
    client = connect(start_member().port, events=events)
    answer_of(client)
    events.happened.clear()
    assert client._connection is not None
    client._connection.channel.close()
    with pytest.raises(EtcdUnavailableError):
        client.count_members()
    assert events.happened == ["etcd: closed"]


@pytest.mark.usefixtures("quick_renewal")
def test_a_failover_is_told_once(start_member: StartMember, connect: Connect) -> None:
    events = RecordedEvents()
    members = [start_member(), start_member()]
    client = connect(*(member.port for member in members), events=events)
    answer_of(client)
    [used] = [member for member in members if member.requests]
    used.stop()
    for _ in range(3):
        answer_of(client, within=5)
    assert events.happened.count("failover") == 1


def elect(leader: int, members: list[Member]) -> None:
    for member in members:
        member.leader = leader


def asks(client: EtcdClient, member: Member) -> bool:
    before = len(member.requests)
    client.count_members()
    return len(member.requests) > before


@pytest.mark.usefixtures("quick_look_for_leader")
def test_the_leader_is_asked_whoever_that_is(start_member: StartMember, connect: Connect) -> None:
    members = [start_member() for _ in range(3)]
    client = connect(*(member.port for member in members))
    answer_of(client)
    for leader in members:
        elect(leader.port, members)
        until(lambda: asks(client, leader))  # noqa: B023


@pytest.mark.usefixtures("quick_look_for_leader")
def test_who_is_connected_to_the_leader_stays(start_member: StartMember, connect: Connect) -> None:
    member, other = start_member(), start_member()
    client = connect(member.port, other.port)
    answer_of(client)
    elect(member.port, [member, other])
    until(lambda: asks(client, member))
    looks = member.asked_for_leader
    until(lambda: member.asked_for_leader > looks + 3)
    assert asks(client, member)


@pytest.mark.usefixtures("quick_look_for_leader", "second_first")
@pytest.mark.parametrize("hangs", [False, True])
def test_a_leader_that_cannot_be_reached_costs_nothing(
    start_member: StartMember, connect: Connect, unused_port: int, hangs: bool
) -> None:
    members, leader = [start_member(), start_member()], start_member()
    leader.may_answer.clear()
    port = leader.port if hangs else unused_port
    elect(port, members)
    client = connect(*(member.port for member in members), port)

    def looks() -> int:
        return sum(member.asked_for_leader for member in members)

    answer_of(client)
    before = looks()
    while looks() < before + 4:
        assert client.count_members() == 3


@pytest.mark.usefixtures("quick_look_for_leader")
def test_while_nobody_leads_all_goes_on(start_member: StartMember, connect: Connect) -> None:
    members = [start_member(), start_member()]
    client = connect(*(member.port for member in members))
    answer_of(client)
    until(lambda: all(member.asked_for_leader > 2 for member in members))
    assert client.count_members() == 3
