"""How the count is read: it is the sum of all that is kept under one prefix."""

from collections.abc import Iterable

from etcd3.etcdrpc import RangeRequest  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
from etcd3.etcdrpc.kv_pb2 import KeyValue  # type: ignore[import-untyped]

from etcd import keys


def read_totals(revision: int = 0) -> RangeRequest:
    """Read all that the count is the sum of, at a revision; 0 is the newest."""
    return read_prefix(keys.COUNT_PREFIX, revision)


def read_prefix(prefix: bytes, revision: int = 0, *, keys_only: bool = False) -> RangeRequest:
    """Read all keys that begin like this."""
    end = prefix[:-1] + bytes([prefix[-1] + 1])
    return RangeRequest(key=prefix, range_end=end, revision=revision, keys_only=keys_only)


def count_in(pairs: Iterable[KeyValue]) -> int:
    """The sum of all totals. Raises etcd.keys.UnreadableKeyError."""
    return sum(keys.total_of(pair.key, pair.value) for pair in pairs)
