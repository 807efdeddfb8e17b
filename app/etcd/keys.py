"""The counter's keys in etcd, and what their values say.

| key          | value                     | lives                                  |
| ------------ | ------------------------- | -------------------------------------- |
| `c/base`     | total                     | for good                               |
| `c/s/ID`     | total batch               | until its owner is gone and it is folded into the base |
| `o/ID`       | the owner's address       | as long as the owner's lease           |
| `i/KEY`      | ID batch position size    | 24 h and more, on a lease of records   |
| `r/ID/BATCH` | the count after the batch, or `?` | likewise                       |
| `epoch`      | how often etcd was restored, and one more | for good                       |

The count is the sum of the totals under `c/`. ID names one life of one shard and is never used again. BATCH numbers an
owner's batches; no number is used twice under an ID. KEY is an Idempotency-Key. A restore writes `epoch`; without it
the epoch is 1.
"""

from dataclasses import dataclass

COUNT_PREFIX = b"c/"
BASE = b"c/base"
SHARD_PREFIX = b"c/s/"
OWNER_PREFIX = b"o/"
EPOCH = b"epoch"

# The epoch of a cluster that does not say: one that was never restored.
FIRST_EPOCH = 1

# What a result says that nobody can know any more.
UNKNOWN_COUNT = b"?"


class UnreadableKeyError(Exception):
    """A key of the counter's has a value that the counter did not write. The text names the key and the value."""


@dataclass(frozen=True)
class ShardValue:
    """What a shard says: how many increments it holds, and which batch wrote that."""

    total: int
    batch: int

    def encode(self) -> bytes:
        return f"{self.total} {self.batch}".encode()


@dataclass(frozen=True)
class Record:
    """Where a keyed increment was counted: in which batch of which shard, and as which (from 0) of how many."""

    shard: str
    batch: int
    position: int
    size: int

    def encode(self) -> bytes:
        return f"{self.shard} {self.batch} {self.position} {self.size}".encode()

    def value_in(self, count: int) -> int:
        """The value of this increment, when `count` is the count after its batch."""
        return nth_value(count, self.size, self.position)


def nth_value(count: int, size: int, position: int) -> int:
    """The value of one of `size` increments that were counted together: the last of them has the count itself."""
    return count - size + 1 + position


def shard_key(shard: str) -> bytes:
    return SHARD_PREFIX + shard.encode()


def owner_key(shard: str) -> bytes:
    return OWNER_PREFIX + shard.encode()


def record_key(key: str) -> bytes:
    return b"i/" + key.encode()


def result_key(shard: str, batch: int) -> bytes:
    return f"r/{shard}/{batch}".encode()


def shard_of(key: bytes) -> str:
    """The ID in a shard's key. Raises UnreadableKeyError."""
    if not key.startswith(SHARD_PREFIX) or not key.isascii():
        raise _foreign(key)
    return key.removeprefix(SHARD_PREFIX).decode()


def parse_shard(key: bytes, value: bytes) -> ShardValue:
    """Raises UnreadableKeyError."""
    return ShardValue(*_numbers(key, value, count=2))


def parse_base(value: bytes) -> int:
    """Raises UnreadableKeyError."""
    [total] = _numbers(BASE, value, count=1)
    return total


def parse_record(key: bytes, value: bytes) -> Record:
    """Raises UnreadableKeyError."""
    shard, _, rest = value.partition(b" ")
    return Record(shard.decode(errors="replace"), *_numbers(key, rest, count=3))


def parse_result(key: bytes, value: bytes) -> int | None:
    """The count after a batch, or None if nobody can know it any more. Raises UnreadableKeyError."""
    if value == UNKNOWN_COUNT:
        return None
    [count] = _numbers(key, value, count=1)
    return count


def parse_epoch(value: bytes) -> int:
    """Raises UnreadableKeyError."""
    [epoch] = _numbers(EPOCH, value, count=1)
    return epoch


def total_of(key: bytes, value: bytes) -> int:
    """What one key under `c/` adds to the count. Raises UnreadableKeyError."""
    if key == BASE:
        return parse_base(value)
    if key.startswith(SHARD_PREFIX):
        return parse_shard(key, value).total
    raise _foreign(key)


def _foreign(key: bytes) -> UnreadableKeyError:
    return UnreadableKeyError(f"etcd has a key {key!r} that is none of the counter's")


def _numbers(key: bytes, value: bytes, count: int) -> list[int]:
    words = value.split(b" ")
    if len(words) != count or not all(word.isdigit() for word in words):
        raise UnreadableKeyError(f"the key {key!r} has the value {value!r}; it should have {count} numbers")
    return [int(word) for word in words]
