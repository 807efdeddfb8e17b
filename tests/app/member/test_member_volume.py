import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from member import volume
from member.marker import Marker, State
from member.starting import Folder, starts_by_itself
from tests.app.conftest import Clock
from tests.app.member.conftest import keep_a_log

OLD = Marker(1, 1, State.STARTED, "old")
NEW = Marker(2, 1, State.MADE, "new")

SCANDIR = os.scandir


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(volume, "time", SimpleNamespace(time=clock))
    return clock


def keep(folder: Path, marker: Marker | None, content: bytes = b"old") -> None:
    """Make `folder` one with data."""
    keep_a_log(folder, content)
    if marker is not None:
        volume.mark(folder, marker)


def put_in_place(folder: Path, marker: Marker = NEW, *, joins: bool = False) -> None:
    """Make a new folder, and put it in the place of what is there; one that joins has nothing in it."""
    new = volume.begin(folder)
    if not joins:
        keep_a_log(new, b"new")
    volume.finish(folder, marker, joins=joins)


def log_of(folder: Path) -> bytes:
    return (folder / "member" / "wal" / "0.wal").read_bytes()


def aside(folder: Path) -> Path:
    return folder.with_name("data.old")


# What there is.


def test_at_first_there_is_nothing(folder: Path) -> None:
    assert volume.look(folder) is None
    folder.mkdir()
    assert volume.look(folder) is None


def test_a_folder_of_before_has_no_marker(folder: Path) -> None:
    keep(folder, None)
    assert volume.look(folder) == Folder(None, log=True)


@pytest.mark.parametrize("state", State)
def test_the_marker_says_what_was_written_last(folder: Path, state: State) -> None:
    keep(folder, OLD)
    volume.mark(folder, replace(NEW, state=state))
    assert volume.look(folder) == Folder(replace(NEW, state=state), log=True)
    assert sorted(path.name for path in folder.iterdir()) == ["marker", "member"]


def test_without_etcds_log_there_are_no_data(folder: Path) -> None:
    keep(folder, OLD)
    (folder / "member" / "wal" / "0.wal").unlink()
    assert volume.look(folder) == Folder(OLD, log=False)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"null"])
def test_a_marker_that_cant_be_read_is_of_no_life_and_starts_nothing(folder: Path, content: bytes) -> None:
    keep(folder, OLD)
    (folder / "marker").write_bytes(content)
    found = volume.look(folder)
    assert found is not None
    assert found.marker is not None
    assert (found.marker.epoch, found.marker.life) == (0, 0)
    assert not starts_by_itself(found)


def test_a_volume_that_cant_be_read_is_a_fault(folder: Path) -> None:
    folder.symlink_to(folder)
    with pytest.raises(OSError, match="symbolic links"):
        volume.look(folder)


# A new folder.


def test_a_new_folder_takes_the_place_of_nothing(folder: Path) -> None:
    put_in_place(folder)
    assert volume.look(folder) == Folder(NEW, log=True)
    assert not aside(folder).exists()


def test_only_etcd_may_read_it(folder: Path) -> None:
    put_in_place(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("marker", [None, OLD, replace(OLD, state=State.HELD)])
def test_data_that_etcd_has_run_on_are_moved_aside(folder: Path, marker: Marker | None) -> None:
    keep(folder, marker)
    put_in_place(folder)
    assert log_of(folder) == b"new"
    assert volume.look(aside(folder)) == Folder(marker, log=True)


def test_a_folder_that_never_started_is_not(folder: Path) -> None:
    keep(aside(folder), OLD, b"the last data")
    put_in_place(folder)
    put_in_place(folder, replace(NEW, folder="another"))
    assert log_of(aside(folder)) == b"the last data"


def test_a_folder_without_its_log_is_not(folder: Path) -> None:
    keep(aside(folder), OLD, b"the last data")
    folder.mkdir()
    volume.mark(folder, replace(OLD, life=2))
    put_in_place(folder)
    assert log_of(aside(folder)) == b"the last data"


def test_of_two_that_were_moved_aside_the_newer_one_is_kept(folder: Path) -> None:
    keep(aside(folder), OLD, b"older")
    keep(folder, replace(OLD, epoch=2), b"newer")
    put_in_place(folder, replace(NEW, epoch=3))
    assert log_of(aside(folder)) == b"newer"


def test_one_that_joins_leaves_aside_what_is_of_another_epoch(folder: Path) -> None:
    keep(aside(folder), OLD, b"of before the restore")
    keep(folder, replace(OLD, epoch=2), b"the others have it, too")
    put_in_place(folder, replace(NEW, life=2), joins=True)
    assert log_of(aside(folder)) == b"of before the restore"
    assert volume.look(folder) == Folder(replace(NEW, life=2), log=False)


def test_one_that_joins_moves_aside_what_nothing_else_is_kept_of(folder: Path) -> None:
    keep(folder, replace(OLD, epoch=2))
    put_in_place(folder, replace(NEW, life=2), joins=True)
    assert log_of(aside(folder)) == b"old"


def test_what_was_being_made_is_removed(folder: Path) -> None:
    keep_a_log(volume.begin(folder))
    volume.file_beside(folder).touch()
    assert list(volume.begin(folder).iterdir()) == []
    volume.clear(folder)
    assert list(folder.parent.iterdir()) == []


def test_a_copy_that_was_being_made_is_removed(folder: Path) -> None:
    volume.copy_beside(folder).mkdir()
    volume.clear(folder)
    assert not volume.copy_beside(folder).exists()


class KilledError(BaseException):
    """The process ends here."""


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """End whatever is done before it changes the disk once more than `step` times."""
    steps = 0

    def until_killed(change: Callable[..., Any]) -> Callable[..., Any]:
        def do(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # as it is called
            nonlocal steps
            if steps == step:
                raise KilledError
            steps += 1
            return change(*arguments, **options)

        return do

    with pytest.MonkeyPatch.context() as patch:
        for change in ("mkdir", "rename", "replace", "unlink", "rmdir", "fsync"):
            patch.setattr(os, change, until_killed(getattr(os, change)))
        yield


def kill_at_every_moment(prepare: Callable[[Path], None], make: Callable[[Path], None], folder: Path) -> Iterator[Path]:
    """Yield a folder for each moment at which the making of a new one was broken off, and the launcher started anew."""
    for step in range(200):
        one = folder.with_name(f"{step}") / "data"
        one.parent.mkdir()
        prepare(one)
        try:
            with killed_at(step):
                make(one)
        except KilledError:
            volume.clear(one)
            yield one
        else:
            assert step > 5, "nothing was broken off"
            return
    raise AssertionError("it was never done")


def test_killed_at_any_moment_it_has_the_old_folder_or_the_new_one(folder: Path) -> None:
    old, new = (Folder(OLD, log=True), b"old"), (Folder(NEW, log=True), b"new")
    met = []
    for one in kill_at_every_moment(lambda one: keep(one, OLD), put_in_place, folder):
        where = one if one.exists() else aside(one)
        met.append((volume.look(where), log_of(where)))
    assert [found for found in met if found not in (old, new)] == []
    assert old in met
    assert new in met


class Sorted:
    """Lists a folder in the order of its names: elsewhere it may be any."""

    def __init__(self, path: int | str) -> None:
        with SCANDIR(path) as found:
            self._found = iter(sorted(found, key=lambda entry: entry.name))

    def __enter__(self) -> Iterator["os.DirEntry[str]"]:
        return self._found

    def __exit__(self, *_: object) -> None:
        """There is nothing left open."""

    def __next__(self) -> "os.DirEntry[str]":
        return next(self._found)

    close = __exit__


@pytest.mark.parametrize(
    ("old", "joins"), [(OLD, True), (replace(NEW, folder="before"), False)], ids=["one that joins", "one made again"]
)
def test_killed_at_any_moment_nothing_is_left_that_might_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch, old: Marker, joins: bool
) -> None:
    new = replace(NEW, life=2)

    def prepare(one: Path) -> None:
        keep(one, old)
        if joins:
            keep(aside(one), replace(OLD, epoch=9))

    monkeypatch.setattr(os, "scandir", Sorted)
    for one in kill_at_every_moment(prepare, lambda one: put_in_place(one, new, joins=joins), folder):
        assert volume.look(one) in (None, Folder(old, log=True), Folder(new, log=not joins))


def test_killed_at_any_moment_the_marker_is_the_old_one_or_the_new_one(folder: Path) -> None:
    for step in range(5):
        one = folder.with_name(f"{step}")
        keep(one, OLD)
        try:
            with killed_at(step):
                volume.mark(one, NEW)
        except KilledError:
            assert volume.look(one) in (Folder(OLD, log=True), Folder(NEW, log=True))
        else:
            assert step == 3, "the file is on the disk, it is in its place, and the folder is on the disk"
            return


# How etcd ended.


def test_ends_are_counted_by_pod(folder: Path) -> None:
    assert volume.crashes(folder, "pod-1") == 0
    for pod in ["pod-1", "pod-2", "pod-1"]:
        volume.note_start(folder, pod)
    assert [volume.crashes(folder, pod) for pod in ("pod-1", "pod-2", "pod-3")] == [2, 1, 0]


def test_ends_of_long_ago_do_not_count(folder: Path, clock: Clock) -> None:
    volume.note_start(folder, "pod-1")
    clock.pass_by(599)
    volume.note_start(folder, "pod-1")
    assert volume.crashes(folder, "pod-1") == 2
    clock.pass_by(2)
    assert volume.crashes(folder, "pod-1") == 1


def test_a_new_folder_has_not_ended_yet(folder: Path) -> None:
    volume.note_start(folder, "pod-1")
    put_in_place(folder)
    assert volume.crashes(folder, "pod-1") == 0


@pytest.mark.parametrize("content", ["", "[", "{}", "[1]", '[["pod-1"]]', '[["pod-1", "now"]]', "null"])
def test_a_list_of_starts_that_cant_be_read_is_begun_anew(folder: Path, content: str) -> None:
    folder.with_name("data.starts").write_text(content)
    assert volume.crashes(folder, "pod-1") == 0
    volume.note_start(folder, "pod-1")
    assert volume.crashes(folder, "pod-1") == 1


def test_a_member_that_starts_no_longer_has_the_file_that_it_made(folder: Path) -> None:
    volume.saved_beside(folder).touch()
    volume.note_start(folder, "pod-1")
    assert not volume.saved_beside(folder).exists()


@pytest.mark.parametrize(("room", "full"), [((64 << 20) - 1, True), (64 << 20, False)])
def test_a_volume_is_full_without_room_for_a_piece_of_the_log(
    folder: Path, monkeypatch: pytest.MonkeyPatch, room: int, full: bool
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=room, f_frsize=1))
    assert volume.is_full(folder) is full
