"""Each transaction: what it does, what it needs for that, and that etcd takes the largest ones."""

import pytest
from etcd3.etcdrpc import TxnRequest  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed

from counter import transactions
from counter.counting import MAX_KEYS
from counter.transactions import Base, Commit, Result, Shard
from etcd.keys import Record, ShardValue
from tests.app.counter.in_memory_etcd import MAX_OPERATIONS, InMemoryEtcd


@pytest.fixture
def shard(store: InMemoryEtcd) -> Shard:
    """A shard that was just made."""
    response = store.transact(transactions.birth("one", store.grant_lease(15), ""))
    return Shard("one", ShardValue(0, 0), response.header.revision)


def commit(shard: Shard, *keys: str, lease: int = 0, result: Result | None = None) -> TxnRequest:
    """A commit of one increment for each key, or of one without."""
    records = [(key, Record(shard.id, 1, position, len(keys))) for position, key in enumerate(keys)]
    after = ShardValue(shard.value.total + (len(keys) or 1), shard.value.batch + 1)
    return transactions.commit(Commit(shard, after), records, result, lease)


def test_a_birth_makes_a_shard_and_its_owner(store: InMemoryEtcd, shard: Shard) -> None:
    assert store.values == {b"o/one": b"", b"c/s/one": b"0 0"}
    again = store.transact(transactions.birth("one", store.grant_lease(15), ""))
    assert not again.succeeded
    assert transactions.shard_in(again.responses[0].response_range.kvs) == shard


def test_a_commit_tells_the_count_after_itself(store: InMemoryEtcd, shard: Shard) -> None:
    store.transact(transactions.birth("two", store.grant_lease(15), ""))
    response = store.transact(commit(shard, "a", "b", lease=store.grant_lease(60)))
    assert transactions.count_after(response) == 2
    assert store.values[b"c/s/one"] == b"2 1"
    assert [store.values[key] for key in (b"i/a", b"i/b")] == [b"one 1 0 2", b"one 1 1 2"]


def test_a_commit_takes_the_result_of_another_batch_along(store: InMemoryEtcd, shard: Shard) -> None:
    store.transact(commit(shard, lease=store.grant_lease(60), result=Result("one", 7, 40)))
    assert store.values[b"r/one/7"] == b"40"


def test_a_commit_is_not_applied_twice(store: InMemoryEtcd, shard: Shard) -> None:
    request = commit(shard)
    assert store.transact(request).succeeded
    again = store.transact(request)
    assert not again.succeeded
    found = transactions.shard_in(again.responses[0].response_range.kvs)
    assert found is not None
    assert found.value == ShardValue(1, 1)


def test_a_commit_is_refused_for_a_key_that_has_a_record(store: InMemoryEtcd, shard: Shard) -> None:
    lease = store.grant_lease(60)
    store.transact(transactions.birth("two", lease, ""))
    other = Shard("two", ShardValue(0, 0), store.revision)
    assert store.transact(commit(other, "b", lease=lease)).succeeded
    refused = store.transact(commit(shard, "a", "b", lease=lease))
    assert not refused.succeeded
    assert [len(part.response_range.kvs) for part in refused.responses] == [1, 0, 1]


def test_etcd_takes_a_commit_with_the_most_keys(store: InMemoryEtcd, shard: Shard) -> None:
    keys = [f"key-{number}" for number in range(MAX_KEYS)]
    request = commit(shard, *keys, lease=store.grant_lease(60), result=Result("one", 7, 40))
    assert max(len(request.compare), len(request.success), len(request.failure)) <= MAX_OPERATIONS
    assert transactions.count_after(store.transact(request)) == MAX_KEYS
    assert not store.transact(request).succeeded


def test_a_count_that_cannot_be_read_is_none(store: InMemoryEtcd, shard: Shard) -> None:
    store.put(b"c/other", b"1 2")
    response = store.transact(commit(shard))
    assert response.succeeded
    assert transactions.count_after(response) is None


def test_a_result_is_stored_if_the_record_is_what_it_was(store: InMemoryEtcd, shard: Shard) -> None:
    lease = store.grant_lease(60)
    written = store.transact(commit(shard, "a", lease=lease)).header.revision
    result = Result("one", 1, 1)
    assert not store.transact(transactions.store_result(result, "a", written - 1, lease)).succeeded
    assert store.transact(transactions.store_result(result, "a", written, lease)).succeeded
    assert store.values[b"r/one/1"] == b"1"


def test_a_fold_moves_the_total_to_the_base(store: InMemoryEtcd, shard: Shard) -> None:
    store.put(b"c/base", b"40")
    base = Base(40, store.revision)
    owned = Shard("one", ShardValue(2, 1), shard.revision)
    assert not store.transact(transactions.fold(owned, base, None, 0)).succeeded, "it has an owner"
    assert store.transact(transactions.fold(owned, base, None, 0, own=True)).succeeded
    assert store.values == {b"c/base": b"42"}


@pytest.mark.parametrize(
    ("changed", "value"), [(b"c/s/one", b"0 1"), (b"c/base", b"1"), (b"o/one", b""), (b"r/one/7", b"?")]
)
def test_a_fold_is_refused_when_anything_has_changed(
    store: InMemoryEtcd, shard: Shard, changed: bytes, value: bytes
) -> None:
    for lease in list(store.leases):
        store.expire(lease)  # the owner is gone
    request = transactions.fold(shard, Base(), Result("one", 7, 40), store.grant_lease(60))
    store.put(changed, value)
    assert not store.transact(request).succeeded
    assert b"c/s/one" in store.values


def test_a_shard_is_owned_again_only_while_it_is_there(store: InMemoryEtcd, shard: Shard) -> None:
    lease = store.grant_lease(15)
    assert store.transact(transactions.own_again(shard.id, lease, "")).succeeded
    assert not store.transact(transactions.own_again("gone", lease, "")).succeeded
    assert b"o/gone" not in store.values
