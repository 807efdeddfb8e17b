"""A snapshot of the cluster, from a member that is known to be up to date."""

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backup.errors import SnapshotError
from backup.scratch import ScratchError, newest_revision
from etcd.endpoints import Endpoint
from etcd.errors import EtcdRefusedError, EtcdUnavailableError
from etcd.keys import UnreadableKeyError
from etcd.member import connect_to

# What a member sends ends with the SHA-256 of all before (api/v3rpc/maintenance.go in etcd's source). The database is
# in pages, so that a file without it, or cut short, shows by its size.
_HASH_BYTES = 32
_PAGE_BYTES = 512


@dataclass(frozen=True)
class Taken:
    """What a snapshot is of."""

    epoch: int
    cluster: int
    revision: int
    count: int
    etcd_version: str


def take(endpoints: Sequence[Endpoint], target: Path) -> Taken:
    """Write a snapshot to a file, from any member that can give one. Raises SnapshotError and OSError."""
    reasons = []
    for endpoint in random.sample(endpoints, k=len(endpoints)):
        try:
            return _take_from(endpoint, target)
        except (EtcdUnavailableError, EtcdRefusedError, ScratchError, UnreadableKeyError) as error:
            reasons.append(f"{endpoint.host}: {error}")
    raise SnapshotError("no member can give a snapshot: " + "; ".join(reasons))


def _take_from(endpoint: Endpoint, target: Path) -> Taken:
    with connect_to(endpoint) as member:
        if member.is_corrupt():
            raise SnapshotError("an alarm CORRUPT stands: some member's data differ from the others'")
        status = member.status()
        # A member that is cut off from the others would give what it has, however old.
        _, newest = member.count()
        _write(member.snapshot(), target)
        revision = newest_revision(target)
        if revision < newest:
            raise EtcdUnavailableError(f"its snapshot ends with revision {revision}, but {newest} is known")
        count, _ = member.count(revision)
        return Taken(member.epoch(revision), status.cluster, revision, count, status.version)


def _write(parts: Iterable[bytes], target: Path) -> None:
    digest, held_back = hashlib.sha256(), b""
    with target.open("wb") as file:
        for part in parts:
            file.write(part)
            held_back += part
            digest.update(held_back[:-_HASH_BYTES])
            held_back = held_back[-_HASH_BYTES:]
        size = file.tell()
    if size % _PAGE_BYTES != _HASH_BYTES or held_back != digest.digest():
        raise EtcdUnavailableError(f"what it sent is damaged: {size} bytes whose hash is not at their end")
