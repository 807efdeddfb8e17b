"""What goes over the wire, by the numbers of etcd's own rpc.proto: the stubs don't know all of it."""

from collections.abc import Callable, Iterator

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed
import pytest

from etcd.channel import to_any_of
from etcd.errors import EtcdRefusedError, EtcdUnavailableError
from etcd.membership import Listed, MemberList, Membership
from tests.app.etcd.spoken_to import SpokenTo

LIST = "/etcdserverpb.Cluster/MemberList"
ADD = "/etcdserverpb.Cluster/MemberAdd"
REMOVE = "/etcdserverpb.Cluster/MemberRemove"
PROMOTE = "/etcdserverpb.Cluster/MemberPromote"
MOVE_LEADER = "/etcdserverpb.Maintenance/MoveLeader"

# As large as etcd's own IDs, and as it is on the wire: seven bits in each byte.
ENTRY = (1 << 64) - 1
ENTRY_BYTES = b"\xff" * 9 + b"\x01"

URL = b"http://etcd1:2380"

CALLS: dict[str, Callable[[Membership], object]] = {
    LIST: lambda membership: membership.list(),
    ADD: lambda membership: membership.add("http://etcd1:2380", learner=True),
    REMOVE: lambda membership: membership.remove(1),
    PROMOTE: lambda membership: membership.promote(1),
    MOVE_LEADER: lambda membership: membership.move_leader(1),
}


@pytest.fixture
def etcd() -> Iterator[SpokenTo]:
    with SpokenTo(dict.fromkeys(CALLS, b"")) as etcd:
        yield etcd


@pytest.fixture
def membership(etcd: SpokenTo) -> Iterator[Membership]:
    with to_any_of([etcd.address]) as channel:
        yield Membership(channel)


def part(number: int, content: bytes) -> bytes:
    """A field that is text or a message."""
    return bytes([number << 3 | 2, len(content)]) + content


def test_a_quorum_is_asked_for_the_list(etcd: SpokenTo, membership: Membership) -> None:
    membership.list()
    # Field 1, linearizable: true. Without it one member says what it last knew.
    assert etcd.asked == [(LIST, b"\x08\x01")]


def test_the_list_says_who_does_not_vote(etcd: SpokenTo, membership: Membership) -> None:
    header = part(1, b"\x08\x07")  # cluster_id
    voter = part(2, b"\x08" + ENTRY_BYTES + part(2, b"etcd1") + part(3, URL) + part(4, b"http://etcd1:2379"))
    learner = part(2, b"\x08\x02" + part(3, b"http://etcd2:2380") + b"\x28\x01")
    told = part(2, b"\x08\x03" + part(3, b"http://a:1") + part(3, b"http://b:1") + b"\x28\x00")
    etcd.answers[LIST] = header + voter + learner + told
    assert membership.list() == MemberList(
        7,
        (
            Listed(ENTRY, ("http://etcd1:2380",), learner=False),
            Listed(2, ("http://etcd2:2380",), learner=True),
            Listed(3, ("http://a:1", "http://b:1"), learner=False),
        ),
    )


@pytest.mark.parametrize(("learner", "flag"), [(True, b"\x10\x01"), (False, b"")])
def test_a_member_is_added(etcd: SpokenTo, membership: Membership, learner: bool, flag: bytes) -> None:
    membership.add("http://etcd1:2380", learner=learner)
    assert etcd.asked == [(ADD, part(1, URL) + flag)]


def test_a_member_is_removed_and_promoted_by_its_id(etcd: SpokenTo, membership: Membership) -> None:
    membership.remove(ENTRY)
    membership.promote(ENTRY)
    assert etcd.asked == [(REMOVE, b"\x08" + ENTRY_BYTES), (PROMOTE, b"\x08" + ENTRY_BYTES)]


def test_another_member_leads(etcd: SpokenTo, membership: Membership) -> None:
    membership.move_leader(ENTRY)
    assert etcd.asked == [(MOVE_LEADER, b"\x08" + ENTRY_BYTES)]


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize(
    ("status", "error"),
    [
        # So etcd says that a learner is not in sync, and that a member is there already, or not there.
        (grpc.StatusCode.FAILED_PRECONDITION, EtcdRefusedError),
        (grpc.StatusCode.NOT_FOUND, EtcdRefusedError),
        # And so that members which have just started are not connected yet, or that there is no quorum.
        (grpc.StatusCode.UNAVAILABLE, EtcdUnavailableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, EtcdUnavailableError),
    ],
)
def test_a_no_is_told_from_no_answer(
    etcd: SpokenTo, membership: Membership, method: str, status: grpc.StatusCode, error: type[Exception]
) -> None:
    etcd.answers[method] = status
    with pytest.raises(error, match="told to"):
        CALLS[method](membership)
