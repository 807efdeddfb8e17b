"""One file of the log: what one writer saw of a cluster, revision by revision.

A file is a row of records: length of the payload, CRC-32 of type and payload (both 4 bytes, big-endian), type (1 byte),
payload. The first is the header. A writer that dies leaves part of a record at the end, which nobody reads. A file has
one writer for ever, so nothing ever comes after such a part.
"""

import json
import os
import re
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etcd3.etcdrpc import WatchResponse  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
from etcd3.etcdrpc.kv_pb2 import Event  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from backup import files

NAME = re.compile(r"log-E(?P<epoch>[0-9]{6,})-C(?P<cluster>[0-9a-f]{16})-A(?P<after>[0-9]{20})-[0-9A-Za-z.-]+\.log")

_FORMAT = 1


class LogError(ValueError):
    """The file is no log that can be used, or the record can't follow those before it. The text says why."""


@dataclass(frozen=True)
class Header:
    """What a file begins with.

    Attributes:
        epoch: That of the cluster.
        cluster: etcd's ID of it.
        after: The file's first revision is the one after this.
        instance: Who wrote it.
        created: When, in UTC.
    """

    epoch: int
    cluster: int
    after: int
    instance: str
    created: datetime


@dataclass(frozen=True)
class Revision:
    """All that one revision changed: etcd's own message, with `header.revision` and `events`."""

    response: WatchResponse

    @property
    def revision(self) -> int:
        number: int = self.response.header.revision
        return number


@dataclass(frozen=True)
class Lease:
    """A lease, before the first revision that has it. `ttl`: the seconds that it was granted for."""

    id: int
    ttl: int


@dataclass(frozen=True)
class Complete:
    """At this time `revision` was the cluster's newest, and all up to it is in the log.

    Attributes:
        revision: The cluster's newest.
        time: When that was so, in UTC.
        count: The counter's count then, if it was read.
    """

    revision: int
    time: datetime
    count: int | None


Record = Header | Revision | Lease | Complete


class LogWriter:
    """Writes a file. Records are appended to memory, by any thread; one thread flushes them to the file.

    After an error the writer is of no more use: what has reached the file is not known. Make another one then.
    """

    def __init__(self, folder: Path, cluster: int, epoch: int, after: int, instance: str) -> None:
        """Make the file. `instance` must be another one for each writer. Raises OSError."""
        header = Header(epoch, cluster, after, instance, datetime.now(UTC))
        self.path = folder / _name(header)
        if NAME.fullmatch(self.path.name) is None:
            raise ValueError(f"instance is {instance!r}, but must have letters, digits, dots and hyphens alone")
        self.revision = after  # the newest that was appended
        self.size = 0  # bytes in the file
        self.given_up = False
        self._is_closed = False
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._append(_encode_header(header))
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            self.flush()
            files.sync_folder(folder)
        except OSError:
            self.close()
            with suppress(OSError):
                self.path.unlink()
            raise

    @property
    def pending_bytes(self) -> int:
        """How much is not known to be in the file yet."""
        return self._pending_bytes

    def append_revision(self, revision: int, events: Iterable[Event]) -> None:
        """Append all events of the next revision. Raises LogError if it is not the next."""
        if revision != self.revision + 1:
            raise LogError(f"{self.path.name}: revision {revision} comes after {self.revision}")
        response = WatchResponse(events=events)
        response.header.revision = revision
        self._append(_frame(_REVISION, response.SerializeToString()))
        self.revision = revision

    def append_lease(self, lease: int, ttl: int) -> None:
        """Append a lease. It must come before the first revision that has it."""
        self._append(_frame(_LEASE, _LEASE_FIELDS.pack(lease, ttl)))

    def append_complete(self, revision: int, time: datetime, count: int | None = None) -> None:
        """Append that `revision` was the newest at that time. Raises LogError if the file does not reach it."""
        if revision > self.revision:
            raise LogError(f"{self.path.name}: it can't be complete to {revision}, for it ends with {self.revision}")
        microseconds = round(time.timestamp() * 1_000_000)
        fields = _COMPLETE_FIELDS.pack(revision, microseconds, _NO_COUNT if count is None else count)
        self._append(_frame(_COMPLETE, fields))

    def flush(self) -> None:
        """Write what is pending, and wait until it is on the disk. Raises OSError, and gives the writer up with it."""
        with self._flushing:
            self._flush()

    def close(self) -> None:
        """Close the file. What is pending is dropped."""
        with self._flushing:
            self.given_up = True
            if not self._is_closed:  # else its number may be another file's by now
                self._is_closed = True
                os.close(self._file)

    def _flush(self) -> None:
        if self.given_up:
            raise OSError(f"{self.path.name} was given up after an error")
        with self._lock:
            content = b"".join(self._pending)
            self._pending.clear()
        if not content:
            return
        try:
            written = os.write(self._file, content)
            if written < len(content):
                raise OSError(f"{self.path.name}: {written} of {len(content)} bytes were written")
            os.fdatasync(self._file)
        except OSError:
            self.given_up = True
            raise
        self.size += len(content)
        with self._lock:
            self._pending_bytes -= len(content)

    def _append(self, frame: bytes) -> None:
        with self._lock:
            self._pending.append(frame)
            self._pending_bytes += len(frame)


def read(path: Path, offset: int = 0) -> Iterator[tuple[Record, int]]:
    """All whole records from this offset on, each with the offset where it ends.

    Ends before the first that is not whole. Raises OSError, and LogError if one is whole but can't be understood, or
    the first is not the header that the name asks for.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(offset)
        while offset + _FRAME.size <= size:
            frame = file.read(_FRAME.size)
            if len(frame) < _FRAME.size:  # NFS may tell a size before it has what was written
                return
            length, checksum, kind = _FRAME.unpack(frame)
            end = offset + _FRAME.size + length
            if end > size:
                return
            payload = file.read(length)
            if _checksum(kind, payload) != checksum:
                return
            try:
                record = _decode(kind, payload)
            except (ValueError, KeyError, TypeError, struct.error, DecodeError) as error:
                raise LogError(f"{path.name}: the record at byte {offset} can't be read: {error}") from None
            if offset == 0:
                _check_header(path, record)
            yield record, end
            offset = end


@dataclass(frozen=True)
class LogInfo:
    """What a file has.

    Attributes:
        path: Where it is.
        header: What it begins with.
        size: In bytes.
        last: Its newest revision; `header.after` if it has none.
        complete: Its newest line that says up to where it was complete.
        torn: Whether there is part of a record at its end.
        end: Where its last whole record ends.
    """

    path: Path
    header: Header
    size: int
    last: int
    complete: Complete | None
    torn: bool
    end: int = 0


def scan(path: Path, former: LogInfo | None = None) -> LogInfo:
    """Read a file through, or what it got since `former`.

    Raises OSError, and LogError if it is no log, or its revisions have a gap.
    """
    header, last, complete, end = None, 0, None, 0
    if former is not None and former.end <= path.stat().st_size:
        header, last, complete, end = former.header, former.last, former.complete, former.end
    for record, end in read(path, end):  # noqa: B007, B020  # the last one is needed
        match record:
            case Header():
                header, last = record, record.after
            case Revision() if record.revision != last + 1:
                raise LogError(f"{path.name}: revision {record.revision} comes after {last}")
            case Revision():
                last = record.revision
            case Complete():
                complete = record
    if header is None:
        raise LogError(f"{path.name}: it has no header")
    size = path.stat().st_size
    return LogInfo(path, header, size, last, complete, torn=size > end, end=end)


def scan_folder(folder: Path, former: Iterable[LogInfo] = ()) -> tuple[list[LogInfo], list[str]]:
    """All logs in a folder, and for each that can't be used a sentence that says why. Raises OSError.

    Of those that were read before, only what they got since is read.
    """
    found, passed_over = [], []
    known = {log.path: log for log in former}
    for path in paths(folder):
        try:
            found.append(scan(path, known.get(path)))
        except FileNotFoundError:  # removed meanwhile
            continue
        except LogError as error:
            passed_over.append(str(error))
    return found, passed_over


def paths(folder: Path, cluster: int | None = None) -> list[Path]:
    """The files with a log's name, of one cluster or of all, by their first revisions. Raises OSError.

    Empty ones are left out: their writer died as it began, and nothing is in them.
    """
    named = [(path, NAME.fullmatch(path.name)) for path in folder.iterdir()]
    wanted = [path for path, name in named if name and cluster in (None, int(name["cluster"], 16))]
    return sorted((path for path in wanted if not _is_empty(path)), key=lambda path: (starts_after(path), path.name))


def starts_after(path: Path) -> int:
    """The revision after which the file of this name starts."""
    name = NAME.fullmatch(path.name)
    assert name is not None, path
    return int(name["after"])


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except FileNotFoundError:
        return True


def _frame(kind: int, payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), _checksum(kind, payload), kind) + payload


def _checksum(kind: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(bytes([kind])))


def _encode_header(header: Header) -> bytes:
    content = {
        "format": _FORMAT,
        "epoch": header.epoch,
        "cluster": f"{header.cluster:016x}",
        "after": header.after,
        "instance": header.instance,
        "created": header.created.isoformat(),
    }
    return _frame(_HEADER, json.dumps(content).encode())


def _decode(kind: int, payload: bytes) -> Record:
    if kind == _HEADER:
        return _decode_header(payload)
    if kind == _REVISION:
        return Revision(WatchResponse.FromString(payload))
    if kind == _LEASE:
        return Lease(*_LEASE_FIELDS.unpack(payload))
    if kind == _COMPLETE:
        revision, microseconds, count = _COMPLETE_FIELDS.unpack(payload)
        time = _UNIX_EPOCH + timedelta(microseconds=microseconds)
        return Complete(revision, time, None if count == _NO_COUNT else count)
    raise ValueError(f"there are none of type {kind}")


def _decode_header(payload: bytes) -> Header:
    content = json.loads(payload)
    if content["format"] != _FORMAT:
        raise ValueError(f"its format is {content['format']!r}, but must be {_FORMAT}")
    return Header(
        epoch=content["epoch"],
        cluster=int(content["cluster"], 16),
        after=content["after"],
        instance=content["instance"],
        created=datetime.fromisoformat(content["created"]),
    )


def _check_header(path: Path, record: Record) -> None:
    if not isinstance(record, Header):
        raise LogError(f"{path.name}: it begins with no header")
    if _name(record) != path.name:
        raise LogError(f"{path.name}: its header is that of {_name(record)}")


def _name(header: Header) -> str:
    return f"log-E{header.epoch:06}-C{header.cluster:016x}-A{header.after:020}-{header.instance}.log"


_FRAME = struct.Struct(">IIB")
_LEASE_FIELDS = struct.Struct(">qq")
_COMPLETE_FIELDS = struct.Struct(">qqq")  # the time in microseconds since 1970
_NO_COUNT = -1
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_HEADER, _REVISION, _LEASE, _COMPLETE = 1, 2, 3, 4
