import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from backup import log_file
from backup.log_file import Complete, Header, Lease, LogError, LogWriter, Record, Revision
from tests.app.backup.samples import CLUSTER, NOW, frame, put, write_log


@pytest.fixture
def writer(tmp_path: Path) -> LogWriter:
    return LogWriter(tmp_path, CLUSTER, epoch=1, after=10, instance="pod-1")


def records(path: Path) -> list[Record]:
    return [record for record, _ in log_file.read(path)]


def test_what_is_flushed_is_read_again(writer: LogWriter) -> None:
    writer.append_lease(7, ttl=60)
    writer.append_revision(11, [put(11, b"i/a", lease=7), put(11, b"c/s/one")])
    writer.append_complete(11, NOW + timedelta(microseconds=1), count=5)
    writer.append_complete(11, NOW, count=None)
    writer.flush()
    header, lease, revision, complete, uncounted = records(writer.path)
    assert isinstance(header, Header)
    assert (header.epoch, header.cluster, header.after, header.instance) == (1, CLUSTER, 10, "pod-1")
    assert lease == Lease(7, 60)
    assert isinstance(revision, Revision)
    assert revision.revision == 11
    assert list(revision.response.events) == [put(11, b"i/a", lease=7), put(11, b"c/s/one")]
    assert complete == Complete(11, NOW + timedelta(microseconds=1), 5)
    assert uncounted == Complete(11, NOW, None)


def test_a_file_is_a_log_from_its_first_moment(writer: LogWriter) -> None:
    assert [type(record) for record in records(writer.path)] == [Header]
    assert writer.path.name == f"log-E000001-C{CLUSTER:016x}-A00000000000000000010-pod-1.log"
    assert writer.path.stat().st_size == writer.size > 0


def test_nothing_is_in_the_file_before_it_is_flushed(writer: LogWriter) -> None:
    before = writer.size
    writer.append_revision(11, [put(11)])
    assert writer.path.stat().st_size == before
    pending = writer.pending_bytes
    writer.flush()
    assert writer.path.stat().st_size == writer.size == before + pending
    assert writer.pending_bytes == 0


def test_all_that_is_pending_takes_one_write_and_one_wait(writer: LogWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    write, fdatasync = os.write, os.fdatasync

    def note_write(file: int, content: bytes) -> int:
        calls.append("write")
        return write(file, content)

    def note_fdatasync(file: int) -> None:
        calls.append("fdatasync")
        fdatasync(file)

    monkeypatch.setattr(os, "write", note_write)
    monkeypatch.setattr(os, "fdatasync", note_fdatasync)
    for revision in (11, 12, 13):
        writer.append_revision(revision, [put(revision)])
    writer.flush()
    writer.flush()  # nothing is pending
    assert calls == ["write", "fdatasync"]


@pytest.mark.parametrize("revision", [10, 12])
def test_a_file_takes_no_revision_but_the_next(writer: LogWriter, revision: int) -> None:
    with pytest.raises(LogError, match=f"revision {revision} comes after 10"):
        writer.append_revision(revision, [])


def test_a_file_is_not_said_to_be_complete_to_what_it_lacks(writer: LogWriter) -> None:
    with pytest.raises(LogError, match="11"):
        writer.append_complete(11, NOW)


def test_a_file_has_one_writer(writer: LogWriter, tmp_path: Path) -> None:
    writer.append_revision(11, [put(11)])
    writer.flush()
    with pytest.raises(FileExistsError):
        LogWriter(tmp_path, CLUSTER, epoch=1, after=10, instance="pod-1")
    assert len(records(writer.path)) == 2


def test_an_instance_that_is_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'\.\./pod'"):
        LogWriter(tmp_path, CLUSTER, epoch=1, after=10, instance="../pod")
    assert list(tmp_path.iterdir()) == []


def fails(*_: object) -> int:
    raise OSError(28, "No space left on device")


def is_short(file: int, content: bytes) -> int:
    return WRITE(file, content[:-1])


WRITE = os.write


@pytest.mark.parametrize(("call", "instead"), [("write", fails), ("write", is_short), ("fdatasync", fails)])
def test_a_writer_is_given_up_after_an_error(
    writer: LogWriter, monkeypatch: pytest.MonkeyPatch, call: str, instead: Callable[..., int]
) -> None:
    writer.append_revision(11, [put(11)])
    with monkeypatch.context() as broken:
        broken.setattr(os, call, instead)
        with pytest.raises(OSError, match=r"No space left|bytes were written"):
            writer.flush()
    size = writer.path.stat().st_size
    writer.append_revision(12, [put(12)])
    with pytest.raises(OSError, match="given up"):
        writer.flush()
    assert writer.given_up
    assert writer.path.stat().st_size == size


def test_a_writer_that_can_not_begin_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(OSError, match="No space"):
        LogWriter(tmp_path, CLUSTER, epoch=1, after=10, instance="pod-1")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_ends_anywhere_has_all_that_is_whole(tmp_path: Path) -> None:
    path = write_log(tmp_path, [11, 12, 13])
    content = path.read_bytes()
    ends = [end for _, end in log_file.read(path)]
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        assert [end for _, end in log_file.read(path)] == [end for end in ends if end <= length]


def test_no_flipped_bit_is_read_as_something_else(tmp_path: Path) -> None:
    path = write_log(tmp_path, [11, 12])
    content = path.read_bytes()
    whole = records(path)
    ends = [end for _, end in log_file.read(path)]
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        assert records(path) == whole[: sum(end <= position for end in ends)]


def test_reading_goes_on_where_it_ended(writer: LogWriter) -> None:
    writer.append_revision(11, [put(11)])
    writer.flush()
    *_, (_, end) = log_file.read(writer.path)
    assert list(log_file.read(writer.path, end)) == []
    writer.append_revision(12, [put(12)])
    writer.flush()
    (record, _), = log_file.read(writer.path, end)  # fmt: skip
    assert isinstance(record, Revision)
    assert record.revision == 12


def test_a_scan_tells_what_a_file_has(tmp_path: Path) -> None:
    path = write_log(tmp_path, [11, 12, 13])
    info = log_file.scan(path)
    assert (info.path, info.size, info.header.after, info.last) == (path, path.stat().st_size, 10, 13)
    assert info.complete == Complete(13, NOW, 13)
    assert not info.torn
    path.write_bytes(path.read_bytes()[:-1])
    info = log_file.scan(path)
    assert (info.last, info.complete, info.torn) == (13, None, True)


def test_a_file_without_revisions_ends_where_it_starts(writer: LogWriter) -> None:
    assert log_file.scan(writer.path).last == 10


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda content: content[:5], "has no header"),
        (lambda content: content[len(content) // 2 :], "has no header"),
        (lambda _: frame(4, b"\0" * 24), "begins with no header"),
        (lambda content: content + frame(9, b""), "none of type 9"),
        (lambda content: content + frame(3, b""), "can't be read"),
        (lambda content: content + frame(2, b"\xff"), "can't be read"),
        (lambda content: content + frame(2, b""), "revision 0 comes after 11"),
        (lambda _: frame(1, b"{}"), "can't be read"),
        (lambda _: frame(1, b'{"format": 2}'), "its format is 2"),
    ],
)
def test_what_is_no_log_is_passed_over_with_a_reason(
    tmp_path: Path, change: Callable[[bytes], bytes], why: str
) -> None:
    good = write_log(tmp_path, [11], "good")
    bad = write_log(tmp_path, [11], "bad")
    bad.write_bytes(change(bad.read_bytes()))
    infos, passed_over = log_file.scan_folder(tmp_path)
    assert [info.path for info in infos] == [good]
    (sentence,) = passed_over
    assert sentence.startswith(f"{bad.name}: ")
    assert why in sentence


def test_a_file_under_the_name_of_another_is_passed_over(tmp_path: Path) -> None:
    path = write_log(tmp_path, [11])
    other = path.with_name(path.name.replace("E000001", "E000002"))
    path.rename(other)
    assert log_file.scan_folder(tmp_path) == ([], [f"{other.name}: its header is that of {path.name}"])


def test_paths_are_those_of_one_cluster_that_have_something(tmp_path: Path) -> None:
    later = write_log(tmp_path, [21], "pod-1")
    first = write_log(tmp_path, [11], "pod-2")
    other = write_log(tmp_path, [5], cluster=7)
    first.with_name(first.name.replace("pod-2", "pod-3")).touch()
    (tmp_path / "log-of-mine.log").write_text("dear diary")
    later_epoch = write_log(tmp_path, [12], epoch=2)
    assert log_file.paths(tmp_path, CLUSTER) == [first, later_epoch, later]
    assert set(log_file.paths(tmp_path)) == {first, later_epoch, later, other}
    assert [log_file.starts_after(path) for path in (first, later)] == [10, 20]
