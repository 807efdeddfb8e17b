"""Where etcd's snapshots are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ha_counter.delivery import Target


class SnapshotVolumeKind(StrEnum):
    """The ways there are, as the config names them."""

    SERVER = "server"
    EXPORT = "export"
    CLAIM = "claim"
    NONE = "none"


# The images that each of them takes, besides those that are always there.
IMAGES: Mapping[SnapshotVolumeKind, tuple[Target, ...]] = {
    SnapshotVolumeKind.SERVER: (Target.BACKUP, Target.NFS),
    SnapshotVolumeKind.EXPORT: (Target.BACKUP,),
    SnapshotVolumeKind.CLAIM: (Target.BACKUP,),
    SnapshotVolumeKind.NONE: (),
}


@dataclass(frozen=True)
class NfsExport:
    """A folder that an NFS server exports, which is there already. `server` is a host's name or address."""

    server: str
    path: str


@dataclass(frozen=True)
class ExistingClaim:
    """A claim to a volume, which is in the namespace already."""

    name: str
