"""The record of etcd's epochs, ConfigMap `etcd-cluster`: what members read before they start.

It is written before anything is done about it, so that whatever ends a restore, the record says which one it was.
"""

import json
import secrets
from dataclasses import asdict, dataclass

from local.errors import LocalError
from local.kube import Kube, Object, describe

FIELD_MANAGER = "ha-counter-restore"
EMPTY = "empty"  # in place of a file's checksum: members begin with nothing

# What members need not know, but whoever goes on with the restore.
ANNOTATION = "ha-counter/restore"
FIRST_EPOCH = 1


@dataclass(frozen=True)
class Restore:
    """What etcd is to start from.

    Attributes:
        asked: How it was asked for, such as "latest"; "" if nobody knows.
        source: What the file was made from, in words.
        file: The file's sha256, or EMPTY.
        epoch: The new epoch.
        bump: By how much the revision rises above the file's; None without a file.
        count: What the new epoch begins with; None if nobody knows.
    """

    asked: str
    source: str
    file: str
    epoch: int
    bump: int | None
    count: int | None


@dataclass(frozen=True)
class ClusterRecord:
    """The record as it is read.

    Attributes:
        epoch: The newest that was decided on.
        restore: The restore that is under way, if there is one.
        version: Changes with every write.
    """

    epoch: int
    restore: Restore | None
    version: str


def read(kube: Kube, namespace: str) -> ClusterRecord:
    """Raises LocalError if there is no record, or one that can't be read."""
    live = kube.get(_config_map(namespace))
    if live is None:
        raise LocalError(f"there is no {describe(_config_map(namespace))}; `make up` makes it")
    data = live.get("data") or {}
    return ClusterRecord(
        epoch=_number(data, "epoch", namespace) or FIRST_EPOCH,
        restore=_restore(live, namespace) if "restore" in data else None,
        version=live["metadata"]["resourceVersion"],
    )


def begin(kube: Kube, namespace: str, record: ClusterRecord, restore: Restore) -> None:
    """Write what members are to start from, with a random token that sets the new cluster apart from all others.

    Raises LocalError if somebody wrote to the record after it was read.
    """
    if record.restore == restore:
        return  # a run that was cut off wrote it; with another token members of one epoch could not find together
    changes = {
        "metadata": {"resourceVersion": record.version, "annotations": {ANNOTATION: json.dumps(asdict(restore))}},
        "data": {
            "epoch": str(restore.epoch),
            "token": secrets.token_hex(16),
            "restore": restore.file,
            "bump": None if restore.bump is None else str(restore.bump),
        },
    }
    kube.patch(_config_map(namespace), changes, FIELD_MANAGER)


def finish(kube: Kube, namespace: str) -> None:
    """Write that no restore is under way any more."""
    changes = {"metadata": {"annotations": {ANNOTATION: None}}, "data": {"restore": None, "bump": None}}
    kube.patch(_config_map(namespace), changes, FIELD_MANAGER)


def _config_map(namespace: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": "etcd-cluster"}}


def _restore(live: Object, namespace: str) -> Restore | None:
    """The restore that members read, with what the annotation says of it, unless that is of another."""
    data = live["data"]
    file, epoch, bump = data["restore"], _number(data, "epoch", namespace), _number(data, "bump", namespace)
    if epoch is None:
        raise LocalError(f"{describe(_config_map(namespace))}: it has the key `restore`, but no `epoch`")
    try:
        noted = Restore(**json.loads((live["metadata"].get("annotations") or {})[ANNOTATION]))
    except (KeyError, TypeError, ValueError):  # somebody wrote the record by hand
        noted = None
    if noted is not None and (noted.file, noted.epoch, noted.bump) == (file, epoch, bump):
        return noted
    return Restore(asked="", source=f"a file {file[:12]}", file=file, epoch=epoch, bump=bump, count=None)


def _number(data: Object, key: str, namespace: str) -> int | None:
    text = data.get(key)
    if text is None:
        return None
    if not text.isdecimal():
        raise LocalError(f"{describe(_config_map(namespace))}: `{key}` is {text!r}; it must be a number")
    return int(text)
