"""Who commits whose batches: the eldest those of all, and each its own when that does not work."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from etcd3.etcdrpc.kv_pb2 import KeyValue  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed

from counter import transactions
from counter.peers import Peer, PeerLostError
from counter.sharing import LEFT_ALONE, SHARED_FROM, Sharing
from counter.transactions import Commit, Committed, Shard
from etcd.errors import EtcdUnavailableError
from etcd.keys import ShardValue
from tests.app.conftest import Clock
from tests.app.counter.mishaps import PlannedEtcd
from tests.app.counter.recorded_events import RecordedEvents

Start = Callable[[], Sharing]


@pytest.fixture
def events() -> RecordedEvents:
    """Of all of them."""
    return RecordedEvents()


@pytest.fixture
def start(etcd: PlannedEtcd, events: RecordedEvents, clock: Clock) -> Iterator[Start]:
    with ExitStack() as all_of_them:
        yield lambda: all_of_them.enter_context(closing(Sharing(etcd, "127.0.0.1", 0, events, clock)))


def owners(*sharing: Sharing | str) -> list[KeyValue]:
    """The keys of owners, the eldest first, as etcd has them: in the order of their names."""
    addresses = [each if isinstance(each, str) else each.address for each in sharing]
    made = [KeyValue(value=address.encode(), create_revision=age) for age, address in enumerate(addresses, 10)]
    return made[::-1]


def batch(etcd: PlannedEtcd, name: str = "a", size: int = SHARED_FROM) -> Commit:
    """The first batch of a new shard."""
    response = etcd.transact(transactions.birth(name, etcd.grant_lease(15), ""))
    return Commit(Shard(name, ShardValue(0, 0), response.header.revision), ShardValue(size, 1))


def lost(peer: Peer, _: Commit) -> Committed | None:
    raise PeerLostError(peer.address)


def test_the_eldest_commits_the_batches_of_all(etcd: PlannedEtcd, start: Start, events: RecordedEvents) -> None:
    eldest, other = start(), start()
    for each in (other, eldest):
        each.meet(owners(eldest, other))
    assert other.commit(batch(etcd, "a")) == Committed(etcd.revision, SHARED_FROM, etcd.cluster)
    assert eldest.commit(batch(etcd, "b")) == Committed(etcd.revision, 2 * SHARED_FROM, etcd.cluster)
    assert events.happened == ["merged 1", "merged 1"]


def test_a_batch_of_few_is_not_shared(etcd: PlannedEtcd, start: Start) -> None:
    eldest, other = start(), start()
    for each in (eldest, other):
        each.meet(owners(eldest, other))
        assert each.commit(batch(etcd, each.address, size=SHARED_FROM - 1)) is None


def test_who_is_alone_does_not_share(etcd: PlannedEtcd, start: Start) -> None:
    alone = start()
    assert alone.commit(batch(etcd)) is None
    alone.meet(owners(alone))
    assert alone.commit(batch(etcd, "b")) is None


def test_who_tells_no_address_is_passed_over(etcd: PlannedEtcd, start: Start) -> None:
    eldest, other = start(), start()
    other.meet(owners("", eldest, other))
    assert other.commit(batch(etcd)) is not None


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:1"])
def test_whom_it_can_not_reach_it_does_without(
    etcd: PlannedEtcd, start: Start, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    other = start()
    other.meet(owners(address, other))
    assert other.commit(batch(etcd)) is None
    assert repr(address) in caplog.text


def test_when_etcd_does_not_answer_they_go_on_sharing(etcd: PlannedEtcd, start: Start) -> None:
    eldest, other = start(), start()
    other.meet(owners(eldest, other))
    commit = batch(etcd)
    etcd.plan.append("lost")
    with pytest.raises(EtcdUnavailableError):
        other.commit(commit)
    assert other.commit(batch(etcd, "b")) is not None


def test_who_does_not_answer_is_left_alone_for_a_while(
    etcd: PlannedEtcd, start: Start, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    eldest, other = start(), start()
    all_of_them = owners(eldest, other)
    other.meet(all_of_them)
    with monkeypatch.context() as hung:
        hung.setattr(Peer, "commit", lost)
        with pytest.raises(EtcdUnavailableError):
            other.commit(batch(etcd))
    for seconds, is_shared in [(0.0, False), (LEFT_ALONE - 1, False), (1.0, True)]:
        clock.pass_by(seconds)
        other.meet(all_of_them)
        assert (other.commit(batch(etcd, f"after{seconds:.0f}")) is not None) == is_shared


def test_the_next_in_age_follows(etcd: PlannedEtcd, start: Start) -> None:
    eldest, second, third = start(), start(), start()
    third.meet(owners(eldest, second, third))
    eldest.close()
    assert third.commit(batch(etcd)) is None
    for each in (second, third):
        each.meet(owners(second, third))
    assert third.commit(batch(etcd, "b")) is not None
    assert second.commit(batch(etcd, "c")) is not None
