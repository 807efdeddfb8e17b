"""Folding: what a shard holds is added to the base, and the shard deleted, once its owner is gone.

So the number of keys stays near the number of replicas. Any replica may fold, at any time, also one that read long ago
what it acts on: the transaction holds only if shard, owner and base still are what was read.

An owner that only seemed dead may wait for the outcome of its last batch. So the fold stores the count after that
batch, under the batch's number.
"""

from collections.abc import Iterator

from counter import transactions
from counter.counting import Life
from counter.history import count_after
from counter.records import RecordLeases
from counter.store import Store
from counter.transactions import Base, Result, Shard
from etcd import counts, keys
from etcd.errors import LeaseNotFoundError


def fold_orphans(store: Store, records: RecordLeases) -> Iterator[Shard]:
    """Fold all shards without an owner; yields each that is folded. Ends early when somebody else folds, too.

    Raises EtcdUnavailableError and EtcdRefusedError, and UnreadableKeyError for a key that is none of the counter's.
    """
    totals = store.read(counts.read_totals())
    cluster, revision = totals.header.cluster_id, totals.header.revision
    owners = store.read(counts.read_prefix(keys.OWNER_PREFIX, revision, keys_only=True))
    owned = {pair.key for pair in owners.kvs}
    base = Base()
    orphans = []
    for pair in totals.kvs:
        if pair.key == keys.BASE:
            base = transactions.base_in([pair])
        else:
            shard = transactions.shard_in([pair])
            if shard and keys.owner_key(shard.id) not in owned:
                orphans.append(shard)
    for shard in orphans:
        result = _missing_result(store, shard, revision, cluster)
        lease = records.lease_for(1) if result else 0
        try:
            response = store.transact(transactions.fold(shard, base, result, lease))
        except LeaseNotFoundError:
            records.forget(lease)
            return
        if not response.succeeded or response.header.cluster_id != cluster:
            return
        base = Base(base.total + shard.value.total, response.header.revision)
        yield shard


def fold_own(store: Store, life: Life) -> bool:
    """Fold one's own shard, whose batches are all decided and told. Returns whether it is gone, or no more one's own.

    Raises as `fold_orphans` does.
    """
    base = transactions.base_in(store.read(transactions.read_key(keys.BASE)).kvs)
    if store.transact(transactions.fold(life.shard, base, None, 0, own=True)).succeeded:
        return True
    left = transactions.shard_in(store.read(transactions.read_key(keys.shard_key(life.shard.id))).kvs)
    return left is None or left.revision != life.shard.revision  # a restore has set it back


def _missing_result(store: Store, shard: Shard, revision: int, cluster: int) -> Result | None:
    """The count after the shard's last batch, unless there was none or it is stored already."""
    if shard.value.batch == 0:
        return None
    if store.read(transactions.read_key(keys.result_key(shard.id, shard.value.batch), revision)).kvs:
        return None
    return Result(shard.id, shard.value.batch, count_after(store, shard.id, shard.revision, cluster))
