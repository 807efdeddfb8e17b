"""What the count was."""

from counter.store import Store
from etcd import counts, keys
from etcd.errors import CompactedError


def count_after(store: Store, shard: str, revision: int, cluster: int) -> int | None:
    """The count after the batch that a shard got at this revision, or None if nobody can know it any more.

    Batches that were committed together have one revision (`merging.py`). Those of shards whose keys come later in the
    order of keys came after this one, so their shards count with what they were before.

    `cluster` is etcd's ID of itself when the shard was read: another one has another history. Raises
    EtcdUnavailableError, EtcdRefusedError and UnreadableKeyError.
    """
    try:
        then = store.read(counts.read_totals(revision))
        later = {pair.key for pair in then.kvs if pair.mod_revision == revision and pair.key > keys.shard_key(shard)}
        before = store.read(counts.read_totals(revision - 1)) if later else then
    except CompactedError:
        return None
    if {then.header.cluster_id, before.header.cluster_id} != {cluster}:
        return None
    pairs = [pair for pair in then.kvs if pair.key not in later]
    pairs += [pair for pair in before.kvs if pair.key in later]
    return counts.count_in(pairs)
