import struct
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup import log_file
from backup.chain import Chain, complete_to
from backup.log_file import Complete, Lease, LogWriter, Revision
from tests.app.backup.samples import CLUSTER, NOW, frame, put, write_log


def given_by(chain: Chain) -> list[int]:
    return [record.revision for record in chain.follow() if isinstance(record, Revision)]


def chain_after(folder: Path, after: int) -> Chain:
    return Chain(folder, CLUSTER, after)


def test_one_file_is_followed_from_where_one_likes(tmp_path: Path) -> None:
    write_log(tmp_path, range(11, 15))
    assert given_by(chain_after(tmp_path, 10)) == [11, 12, 13, 14]
    assert given_by(chain_after(tmp_path, 12)) == [13, 14]
    assert given_by(chain_after(tmp_path, 14)) == []


def test_files_that_overlap_give_each_revision_once(tmp_path: Path) -> None:
    write_log(tmp_path, range(11, 15), "pod-1")
    write_log(tmp_path, range(13, 18), "pod-2")
    write_log(tmp_path, range(18, 20), "pod-3")
    chain = chain_after(tmp_path, 10)
    assert given_by(chain) == list(range(11, 20))
    assert chain.gap is None


def test_an_earlier_file_goes_on_after_a_later_one(tmp_path: Path) -> None:
    write_log(tmp_path, range(1, 30), "pod-1")
    write_log(tmp_path, range(11, 15), "pod-2")
    assert given_by(chain_after(tmp_path, 10)) == list(range(11, 30))


def test_a_gap_is_the_end_and_is_told(tmp_path: Path) -> None:
    write_log(tmp_path, range(11, 13))
    later = write_log(tmp_path, range(14, 20))
    chain = chain_after(tmp_path, 10)
    assert given_by(chain) == [11, 12]
    assert chain.revision == 12
    assert chain.gap == f"{later.name}: it goes on, but no file has revision 13"
    assert chain.complete == Complete(12, NOW, 12)
    write_log(tmp_path, range(12, 14), "pod-2")
    assert given_by(chain) == list(range(13, 20))
    assert chain.gap is None


def test_a_torn_file_is_followed_to_its_last_whole_record(tmp_path: Path) -> None:
    path = write_log(tmp_path, range(11, 15))
    *_, (_, end_of_14), _ = log_file.read(path)
    path.write_bytes(path.read_bytes()[: end_of_14 - 1])
    write_log(tmp_path, range(14, 17), "pod-2")
    assert given_by(chain_after(tmp_path, 10)) == list(range(11, 17))


def test_other_clusters_revisions_are_none_of_this_ones(tmp_path: Path) -> None:
    write_log(tmp_path, range(11, 13), cluster=7)
    assert given_by(chain_after(tmp_path, 10)) == []


def test_it_goes_on_as_the_files_grow(tmp_path: Path) -> None:
    chain = chain_after(tmp_path, 10)
    assert given_by(chain) == []
    writer = LogWriter(tmp_path, CLUSTER, 1, after=10, instance="pod-1")
    for revision in range(11, 15):
        writer.append_revision(revision, [put(revision)])
        writer.flush()
        assert given_by(chain) == [revision]
        assert given_by(chain) == []
    write_log(tmp_path, range(15, 17), "pod-2")
    assert given_by(chain) == [15, 16]


def test_what_was_read_is_not_read_again(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, CLUSTER, 1, after=10, instance="pod-1")
    writer.append_revision(11, [put(11)])
    writer.flush()
    chain = chain_after(tmp_path, 10)
    assert given_by(chain) == [11]
    with writer.path.open("r+b") as file:
        file.write(b"\xff" * 10)
    writer.append_revision(12, [put(12)])
    writer.flush()
    assert given_by(chain) == [12]


def test_it_goes_on_where_it_was_left(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, CLUSTER, 1, after=10, instance="pod-1")
    for revision in range(11, 14):
        writer.append_lease(revision, 60)
        writer.append_revision(revision, [put(revision, lease=revision)])
    writer.flush()
    chain = chain_after(tmp_path, 10)
    given: list[Lease | Revision] = []
    for _ in range(6):
        given.append(next(chain.follow()))
    assert [getattr(record, "revision", None) or getattr(record, "id", None) for record in given] == [
        11, 11, 12, 12, 13, 13,
    ]  # fmt: skip
    assert [type(record) for record in given] == [Lease, Revision] * 3


def test_leases_come_before_the_revision_that_first_has_them(tmp_path: Path) -> None:
    first = LogWriter(tmp_path, CLUSTER, 1, after=10, instance="pod-1")
    first.append_lease(7, 60)
    first.append_lease(8, 60)
    first.append_revision(11, [put(11, lease=7)])
    first.append_lease(9, 60)
    first.append_revision(12, [put(12, b"i/a", lease=9), put(12, b"i/b", lease=8)])
    first.flush()
    second = LogWriter(tmp_path, CLUSTER, 1, after=11, instance="pod-2")  # sees 9, 8 and 7 for the first time
    for lease in (9, 8, 7):
        second.append_lease(lease, 60)
    second.append_revision(12, [put(12, b"i/a", lease=9), put(12, b"i/b", lease=8)])
    second.append_revision(13, [put(13, lease=7)])
    second.flush()

    def order(after: int) -> list[tuple[str, int]]:
        return [
            ("lease", record.id) if isinstance(record, Lease) else ("revision", record.revision)
            for record in chain_after(tmp_path, after).follow()
        ]

    assert order(10) == [
        ("lease", 7), ("revision", 11), ("lease", 9), ("lease", 8), ("revision", 12), ("revision", 13),
    ]  # fmt: skip
    assert order(11) == [("lease", 9), ("lease", 8), ("revision", 12), ("revision", 13)]  # the snapshot has 7


def test_it_is_complete_to_the_newest_line_that_it_covers(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, CLUSTER, 1, after=10, instance="pod-1")
    writer.append_complete(10, NOW)
    writer.append_revision(11, [put(11)])
    writer.append_complete(11, NOW + timedelta(seconds=1))
    writer.append_complete(11, NOW + timedelta(seconds=2), count=3)
    writer.append_revision(12, [put(12)])
    writer.flush()
    assert complete_to(tmp_path, CLUSTER, 10) == Complete(11, NOW + timedelta(seconds=2), 3)
    assert complete_to(tmp_path, CLUSTER, 11) == Complete(11, NOW + timedelta(seconds=2), 3)
    assert complete_to(tmp_path, CLUSTER, 12) is None  # a line of before says nothing of what came after
    assert complete_to(tmp_path, CLUSTER, 9) is None


def test_a_line_counts_only_where_all_before_it_is_there(tmp_path: Path) -> None:
    write_log(tmp_path, range(11, 13), "pod-1")
    write_log(tmp_path, range(14, 20), "pod-2")
    assert complete_to(tmp_path, CLUSTER, 10) == Complete(12, NOW, 12)


def test_a_file_that_is_no_log_does_not_hold_up_the_others(tmp_path: Path) -> None:
    path = write_log(tmp_path, range(11, 13), "pod-1")
    bad = path.with_name(path.name.replace("pod-1", "pod-0"))
    bad.write_bytes(path.read_bytes())
    chain = chain_after(tmp_path, 10)
    assert given_by(chain) == [11, 12]
    assert chain.passed_over == {bad.name: f"{bad.name}: its header is that of {path.name}"}


def test_a_file_with_a_gap_inside_is_used_up_to_there(tmp_path: Path) -> None:
    path, beyond = write_log(tmp_path, [11, 12]), write_log(tmp_path, [14])
    _, header_ends = next(log_file.read(beyond))
    path.write_bytes(path.read_bytes() + beyond.read_bytes()[header_ends:])
    beyond.unlink()
    chain = chain_after(tmp_path, 10)
    assert given_by(chain) == [11, 12]
    assert chain.passed_over == {path.name: f"{path.name}: revision 14 comes after 12"}
    assert chain.complete == Complete(12, NOW, 12)


def test_a_line_that_says_more_than_the_file_has_does_not_count(tmp_path: Path) -> None:
    path = write_log(tmp_path, [11, 12])
    with path.open("ab") as file:
        file.write(frame(4, struct.pack(">qqq", 13, 0, -1)))
    assert complete_to(tmp_path, CLUSTER, 10) == Complete(12, NOW, 12)


def test_a_file_that_is_removed_is_not_missed_if_another_has_what_it_had(tmp_path: Path) -> None:
    first = write_log(tmp_path, range(11, 15), "pod-1")
    write_log(tmp_path, range(11, 15), "pod-2")
    chain = chain_after(tmp_path, 10)
    following = chain.follow()
    next(following)
    first.unlink()
    assert given_by(chain) == [12, 13, 14]


def test_a_folder_that_is_away_is_an_error_and_no_end(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        given_by(chain_after(tmp_path / "away", 10))


FILES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12), st.integers(0, 40)), max_size=6)


@settings(max_examples=100, deadline=None)
@given(files=FILES, after=st.integers(0, 30))
def test_the_chain_is_all_that_the_files_have_without_a_gap(files: Sequence[tuple[int, int, int]], after: int) -> None:
    """Files that start anywhere, have any number of revisions, and are cut by any number of bytes."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        had: set[int] = set()
        known: set[int] = set()  # to be there, in a file or not
        for number, (start, length, cut) in enumerate(files):
            path = write_log(folder, range(start + 1, start + length + 1), f"pod-{number}", after=start)
            path.write_bytes(path.read_bytes()[: -cut or None])
            known |= {start, *(record.revision for record, _ in log_file.read(path) if isinstance(record, Revision))}
            had |= {record.revision for record, _ in log_file.read(path) if isinstance(record, Revision)}
        expected: list[int] = []
        while after + len(expected) + 1 in had:
            expected.append(after + len(expected) + 1)
        chain = chain_after(folder, after)
        assert given_by(chain) == expected
        assert (chain.gap is not None) == any(revision > chain.revision for revision in known)
