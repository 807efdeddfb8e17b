"""How calls to one member fail. What they answer is tried with real ones: tests/members/test_backup*.py."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed
import pytest
from etcd3 import etcdrpc  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed

from etcd.channel import to_any_of
from etcd.endpoints import Endpoint
from etcd.errors import CompactedError, EtcdRefusedError, EtcdUnavailableError
from etcd.member import Member, connect_to

CALLS: dict[str, Callable[[Member], object]] = {
    "status": lambda member: member.status(),
    "hash": lambda member: member.hash(5),
    "snapshot": lambda member: list(member.snapshot()),
    "leases": lambda member: member.leases(),
    "keep_alive": lambda member: member.keep_alive([1]),
    "alarms": lambda member: member.is_corrupt(),
    "transact": lambda member: member.transact(etcdrpc.TxnRequest()),
}


class Failing(etcdrpc.MaintenanceServicer):  # type: ignore[misc]  # untyped
    """Answers HashKV with a status."""

    def __init__(self) -> None:
        self.code = grpc.StatusCode.UNKNOWN

    def HashKV(self, _: Any, context: Any) -> None:  # noqa: N802, ANN401  # as etcd has it
        context.abort(self.code, "told to")


@pytest.fixture
def failing() -> Iterator[tuple[Failing, Member]]:
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = Failing()
    etcdrpc.add_MaintenanceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Member(to_any_of([f"127.0.0.1:{port}"])) as member:
        yield servicer, member
    server.stop(0).wait()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_member_that_is_away_or_given_up_is_unavailable(call: Callable[[Member], object]) -> None:
    member = Member(to_any_of(["127.0.0.1:9"]))
    with pytest.raises(EtcdUnavailableError):
        call(member)
    member.close()
    with pytest.raises(EtcdUnavailableError):
        call(member)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.OUT_OF_RANGE, CompactedError),
        (grpc.StatusCode.FAILED_PRECONDITION, EtcdRefusedError),
        (grpc.StatusCode.NOT_FOUND, EtcdRefusedError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, EtcdUnavailableError),
    ],
)
def test_what_a_member_says_no_to(
    failing: tuple[Failing, Member], code: grpc.StatusCode, error: type[Exception]
) -> None:
    servicer, member = failing
    servicer.code = code
    with pytest.raises(error, match="told to"):
        member.hash(5)


def test_a_name_that_can_not_be_resolved() -> None:
    with pytest.raises(EtcdUnavailableError, match=r"the name etcd0\.invalid can't be resolved"):
        connect_to(Endpoint("etcd0.invalid", 2379))
