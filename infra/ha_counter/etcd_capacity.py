"""How much a member takes, by the memory and the volume that it has: etcd itself would find out by running full."""

from decimal import Decimal

from ha_counter.quantities import byte_count
from ha_counter.settings import EtcdSettings

# Of the memory: what Go's garbage collector keeps to. It takes twice what is in use otherwise, limit or not.
_GO_MEMORY = Decimal("0.9")

# Of the volume: two copies of the database, while it is defragmented, the log and a snapshot must fit.
_QUOTA = Decimal("0.25")

# What etcd is meant for at most (https://etcd.io/docs/v3.6/dev-guide/limit/).
_LARGEST_QUOTA = 8 * Decimal(1024) ** 3

# Of the quota: the rest is for the counts' own revisions, and for pages that are partly free.
_ROOM_IN_DATABASE = Decimal("0.6")

# Of the memory, in bytes of the database: a record of 150 there takes 410 of a member's heap (measured), and less than
# half of the memory is to be live, or the collector takes all processors.
_ROOM_IN_MEMORY = Decimal("0.16")


def go_memory_limit(settings: EtcdSettings) -> int:
    """Bytes that Go tries to stay below."""
    return int(byte_count(settings.resources.memory_limit) * _GO_MEMORY)


def quota(settings: EtcdSettings) -> int:
    """Bytes beyond which the database takes nothing more."""
    return int(min(byte_count(settings.storage) * _QUOTA, _LARGEST_QUOTA))


def database_room(settings: EtcdSettings) -> int:
    """Bytes of the database in use up to which increments with keys are taken, each of which leaves a record."""
    by_memory = byte_count(settings.resources.memory_limit) * _ROOM_IN_MEMORY
    return int(min(quota(settings) * _ROOM_IN_DATABASE, by_memory))
