"""Snapshots and logs for tests of what keeps them."""

import hashlib
import struct
import zlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etcd3.etcdrpc.kv_pb2 import Event, KeyValue  # type: ignore[import-untyped]

from backup import files
from backup.catalog import Catalog
from backup.log_file import LogWriter
from backup.manifest import Manifest, Proof, new_name

CLUSTER = 0xCDF818194E3A8C32
NOW = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
PROVEN = Proof("proven", at=NOW)


def manifest(newest: int = 42, *, age: timedelta = timedelta(), epoch: int = 1, **changes: object) -> Manifest:
    """One of a proven snapshot."""
    time = NOW - age
    usual = Manifest(
        name=new_name("snapshot", epoch, newest, time),
        time=time,
        reason="schedule",
        epoch=epoch,
        cluster=CLUSTER,
        revision=newest,
        bump=0,
        count=40,
        size=10,
        sha256=hashlib.sha256(b"").hexdigest(),
        etcd_version="3.6.16",
        proof=PROVEN,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def save(catalog: Catalog, content: bytes = b"all keys", **changes: object) -> Manifest:
    """Write a snapshot and list it."""
    saved = manifest(**changes)  # type: ignore[arg-type]
    with files.durable_file(catalog.path(saved)) as file:
        file.write(content)
    saved = replace(saved, size=file.size, sha256=file.sha256)
    catalog.add(saved)
    return saved


def put(revision: int, key: bytes = b"c/base", lease: int = 0) -> Event:
    """What a revision changed."""
    return Event(type=Event.PUT, kv=KeyValue(key=key, value=b"%d" % revision, mod_revision=revision, lease=lease))


def write_log(
    folder: Path,
    revisions: Iterable[int],
    instance: str = "pod-1",
    *,
    after: int | None = None,
    cluster: int = CLUSTER,
    epoch: int = 1,
) -> Path:
    """Write a file of the log with these revisions, complete to the last of them."""
    revisions = list(revisions)
    writer = LogWriter(folder, cluster, epoch, revisions[0] - 1 if after is None else after, instance)
    for revision in revisions:
        writer.append_revision(revision, [put(revision)])
    writer.append_complete(writer.revision, NOW, count=writer.revision)
    writer.flush()
    writer.close()
    return writer.path


def frame(kind: int, payload: bytes) -> bytes:
    """A record as it is in a file of the log, whatever it says."""
    return struct.pack(">IIB", len(payload), zlib.crc32(bytes([kind]) + payload), kind) + payload
