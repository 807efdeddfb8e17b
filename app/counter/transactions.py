"""The protocol's transactions, as etcd gets them, and what the answers to them say.

Each is a comparison, what to do if it holds, and what to read if it doesn't. They are described and proven one by one
in the design of the counting protocol; `counting.py` says when each is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from etcd3.etcdrpc import (  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
    Compare,
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
    TxnResponse,
)
from etcd3.etcdrpc.kv_pb2 import KeyValue  # type: ignore[import-untyped]

from etcd import keys
from etcd.counts import count_in, read_totals
from etcd.keys import Record, ShardValue


@dataclass(frozen=True)
class Result:
    """The count after a batch, on its way to being stored for those who ask with the batch's keys."""

    shard: str
    batch: int
    count: int | None  # None: nobody can know it any more


@dataclass(frozen=True)
class Shard:
    """A shard as it was read: what it says, and the revision that wrote it."""

    id: str
    value: ShardValue
    revision: int


@dataclass(frozen=True)
class Base:
    """The base as it was read. One that does not exist yet has revision 0."""

    total: int = 0
    revision: int = 0


@dataclass(frozen=True)
class Commit:
    """What a batch makes of its shard."""

    before: Shard
    after: ShardValue

    @property
    def size(self) -> int:
        """How many increments the batch has."""
        return self.after.total - self.before.value.total


@dataclass(frozen=True)
class Committed:
    """A batch that was applied: at which revision, and with which count after it, of which of etcd's histories."""

    revision: int
    count: int | None  # None: there is a key under the prefix that can't be read
    cluster: int


def birth(shard: str, owner_lease: int, address: str) -> TxnRequest:
    """Make an empty shard with its owner, who is found at this address. If either is there already, read the shard."""
    owner, key = keys.owner_key(shard), keys.shard_key(shard)
    return TxnRequest(
        compare=[_unchanged(owner, 0), _unchanged(key, 0)],
        success=[_put(owner, address.encode(), owner_lease), _put(key, ShardValue(0, 0).encode())],
        failure=[_get(key)],
    )


def commit(
    commit: Commit, records: Sequence[tuple[str, Record]], result: Result | None, records_lease: int
) -> TxnRequest:
    """Give a shard its new value, if it still is what it was and none of the records' keys has a record.

    `result` is what an earlier batch has left to be stored. The answer's last part is the count. If it was refused, the
    answer has the shard, then one part for each key.
    """
    shard = keys.shard_key(commit.before.id)
    record_keys = [keys.record_key(key) for key, _ in records]
    return TxnRequest(
        compare=[_unchanged(shard, commit.before.revision), *(_unchanged(key, 0) for key in record_keys)],
        success=[
            _put(shard, commit.after.encode()),
            *(_put(key, record.encode(), records_lease) for key, (_, record) in zip(record_keys, records, strict=True)),
            *([_put_result(result, records_lease)] if result else []),
            RequestOp(request_range=read_totals()),
        ],
        failure=[_get(shard), *(_get(key) for key in record_keys)],
    )


def commit_together(commits: Sequence[Commit]) -> TxnRequest:
    """Give several shards their new values, if all of them still are what they were. The answer's last part is the
    count after the last one."""
    return TxnRequest(
        compare=[_unchanged(keys.shard_key(commit.before.id), commit.before.revision) for commit in commits],
        success=[
            *(_put(keys.shard_key(commit.before.id), commit.after.encode()) for commit in commits),
            RequestOp(request_range=read_totals()),
        ],
    )


def store_result(result: Result, key: str, record_revision: int, lease: int) -> TxnRequest:
    """Store the count after a batch, if the record of a key of that batch still is what it was."""
    return TxnRequest(compare=[_unchanged(keys.record_key(key), record_revision)], success=[_put_result(result, lease)])


def fold(shard: Shard, base: Base, result: Result | None, lease: int, *, own: bool = False) -> TxnRequest:
    """Add a shard to the base and delete it, if neither has changed and, unless it is one's own, nobody owns it.

    `result` is the count after the shard's last batch, if that is not stored yet: the owner may still have to learn
    how that batch ended.
    """
    key, owner = keys.shard_key(shard.id), keys.owner_key(shard.id)
    compare = [_unchanged(key, shard.revision), _unchanged(keys.BASE, base.revision)]
    success = [_delete(key), _put(keys.BASE, str(base.total + shard.value.total).encode())]
    if own:
        success.append(_delete(owner))
    else:
        compare.append(_unchanged(owner, 0))
    if result is not None:
        compare.append(_unchanged(keys.result_key(result.shard, result.batch), 0))
        success.append(_put_result(result, lease))
    return TxnRequest(compare=compare, success=success)


def own_again(shard: str, owner_lease: int, address: str) -> TxnRequest:
    """Own a shard on a new lease, if it is still there."""
    exists = Compare(key=keys.shard_key(shard), target=Compare.MOD, result=Compare.GREATER, mod_revision=0)
    return TxnRequest(compare=[exists], success=[_put(keys.owner_key(shard), address.encode(), owner_lease)])


def read_key(key: bytes, revision: int = 0) -> RangeRequest:
    return RangeRequest(key=key, revision=revision)


def committed_by(response: TxnResponse) -> Committed | None:
    """What a commit has done, or None if it was refused."""
    if not response.succeeded:
        return None
    return Committed(response.header.revision, count_after(response), response.header.cluster_id)


def count_after(response: TxnResponse) -> int | None:
    """The count that a commit read after itself, or None if a key under the prefix can't be read."""
    try:
        return count_in(response.responses[-1].response_range.kvs)
    except keys.UnreadableKeyError:
        return None


def shard_in(pairs: Sequence[KeyValue]) -> Shard | None:
    """The shard that a read of one key found. Raises UnreadableKeyError."""
    if not pairs:
        return None
    [pair] = pairs
    return Shard(keys.shard_of(pair.key), keys.parse_shard(pair.key, pair.value), pair.mod_revision)


def base_in(pairs: Sequence[KeyValue]) -> Base:
    """The base that a read of its key found. Raises UnreadableKeyError."""
    if not pairs:
        return Base()
    [pair] = pairs
    return Base(keys.parse_base(pair.value), pair.mod_revision)


def _unchanged(key: bytes, revision: int) -> Compare:
    """That the key was last written at this revision; 0 means that there is no such key."""
    return Compare(key=key, target=Compare.MOD, result=Compare.EQUAL, mod_revision=revision)


def _get(key: bytes) -> RequestOp:
    return RequestOp(request_range=read_key(key))


def _put(key: bytes, value: bytes, lease: int = 0) -> RequestOp:
    return RequestOp(request_put=PutRequest(key=key, value=value, lease=lease))


def _put_result(result: Result, lease: int) -> RequestOp:
    value = keys.UNKNOWN_COUNT if result.count is None else str(result.count).encode()
    return _put(keys.result_key(result.shard, result.batch), value, lease)


def _delete(key: bytes) -> RequestOp:
    return RequestOp(request_delete_range=DeleteRangeRequest(key=key))
