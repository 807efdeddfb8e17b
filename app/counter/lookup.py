"""Keyed increments: counted once, however often they are sent, and answered the same each time."""

from collections.abc import Callable

from counter import transactions
from counter.records import RecordLeases
from counter.requests import Counted, Fate, Outcome, Request, Waiting
from counter.store import Store
from counter.transactions import Result
from etcd import counts, keys
from etcd.errors import CompactedError, LeaseNotFoundError


def increment_once(
    store: Store, records: RecordLeases, waiting: Waiting, key: str, wait: Callable[[Request], Outcome]
) -> Outcome:
    """Count under a key, or find how it was counted. `wait` waits for a request that was put into the queue.

    Raises what `look_up` does.
    """
    while True:
        request = Request(key)
        waiting.add(request)
        outcome = wait(request)
        if outcome is not Fate.IN_RECORDS:
            return outcome
        found = look_up(store, records, key)
        if found is not None:
            return found


def look_up(store: Store, records: RecordLeases, key: str) -> Counted | Fate | None:
    """The value of the increment that was counted under this key, VALUE_LOST, or None if there is no record of it.

    A value that nobody was told yet is stored first, so that it is the same for everybody who ever asks.

    Raises EtcdUnavailableError, EtcdRefusedError, and UnreadableKeyError.
    """
    is_compacted = False
    while True:
        answer = store.read(transactions.read_key(keys.record_key(key)))
        if not answer.kvs:
            return None
        [found] = answer.kvs
        record = keys.parse_record(found.key, found.value)
        result_key = keys.result_key(record.shard, record.batch)
        stored = store.read(transactions.read_key(result_key))
        if stored.header.cluster_id != answer.header.cluster_id:
            continue
        if stored.kvs:
            count = keys.parse_result(result_key, stored.kvs[0].value)
            return Fate.VALUE_LOST if count is None else Counted(record.value_in(count))
        if is_compacted:
            return Fate.VALUE_LOST
        try:
            totals = store.read(counts.read_totals(found.mod_revision))
        except CompactedError:
            is_compacted = True  # it may have been stored before that, but after we looked
            continue
        if totals.header.cluster_id != answer.header.cluster_id:
            continue
        count = counts.count_in(totals.kvs)
        lease = records.lease_for(1)
        try:
            result = Result(record.shard, record.batch, count)
            if store.transact(transactions.store_result(result, key, found.mod_revision, lease)).succeeded:
                return Counted(record.value_in(count))
        except LeaseNotFoundError:
            records.forget(lease)
