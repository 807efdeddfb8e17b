"""What the count was, of which batches that were committed together have one revision."""

import pytest

from counter import transactions
from counter.history import count_after
from counter.transactions import Commit, Shard
from etcd.keys import ShardValue, UnreadableKeyError
from tests.app.counter.in_memory_etcd import InMemoryEtcd


@pytest.fixture
def shards(store: InMemoryEtcd) -> list[Shard]:
    """Three shards of 10, 20 and 30, above a base of 100."""
    store.put(b"c/base", b"100")
    shards = []
    for name, total in [("a", 10), ("b", 20), ("c", 30)]:
        store.put(f"c/s/{name}".encode(), f"{total} 1".encode())
        shards.append(Shard(name, ShardValue(total, 1), store.revision))
    return shards


def add(store: InMemoryEtcd, shards: list[Shard], *sizes: int) -> int:
    """Commit batches of these sizes together. Returns their revision."""
    commits = [
        Commit(shard, ShardValue(shard.value.total + size, 2)) for shard, size in zip(shards, sizes, strict=False)
    ]
    response = store.transact(transactions.commit_together(commits))
    assert response.succeeded
    return int(response.header.revision)


def test_a_batch_that_was_committed_alone(store: InMemoryEtcd, shards: list[Shard]) -> None:
    revision = add(store, shards, 1)
    store.put(b"c/s/a", b"1000 3")
    assert count_after(store, "a", revision, store.cluster) == 161


def test_batches_that_were_committed_together_count_in_the_order_of_their_shards(
    store: InMemoryEtcd, shards: list[Shard]
) -> None:
    revision = add(store, shards, 1, 2, 4)
    assert [count_after(store, shard, revision, store.cluster) for shard in "abc"] == [161, 163, 167]


def test_a_revision_that_is_compacted_is_known_no_more(store: InMemoryEtcd, shards: list[Shard]) -> None:
    revision = add(store, shards, 1, 2, 4)
    store.compact()  # but for the newest revision
    assert count_after(store, "a", revision, store.cluster) is None
    assert count_after(store, "c", revision, store.cluster) == 167


def test_another_cluster_has_another_history(store: InMemoryEtcd, shards: list[Shard]) -> None:
    revision = add(store, shards, 1, 2)
    assert [count_after(store, shard, revision, store.cluster + 1) for shard in "ab"] == [None, None]


def test_a_foreign_key_is_an_error(store: InMemoryEtcd) -> None:
    store.put(b"c/foreign", b"1")
    with pytest.raises(UnreadableKeyError, match="c/foreign"):
        count_after(store, "a", store.revision, store.cluster)
