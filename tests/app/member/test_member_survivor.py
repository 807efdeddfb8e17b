import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from member import survivor, volume
from member.making import MakingError
from member.marker import Marker, State
from member.settings import Member
from member.starting import File, Folder
from tests.app.member import etcd_programs
from tests.app.member.conftest import keep_a_log
from tests.app.member.etcd_programs import EtcdPrograms

FOLDER = Folder(Marker(3, 1, State.STARTED, "one"), log=True)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EtcdPrograms:
    return etcd_programs.install(tmp_path / "programs", monkeypatch)


@pytest.fixture
def member(make_member: Callable[..., Member]) -> Member:
    member = make_member()
    keep_a_log(member.data_dir, b"data")
    return member


def is_alone_again(member: Member, programs: EtcdPrograms) -> bool:
    """Whether nothing is left of what was done, but for the file."""
    with pytest.raises(ProcessLookupError):
        os.kill(programs.pid, 0)
    return (member.data_dir / "member/wal/0.wal").read_bytes() == b"data" and not volume.copy_beside(
        member.data_dir
    ).exists()


def test_a_file_is_made_of_a_copy(member: Member, programs: EtcdPrograms) -> None:
    made = survivor.make_file(member, FOLDER, 9)
    assert made.path.read_bytes() == b"bytes"
    sha256 = hashlib.sha256(b"bytes").hexdigest()
    assert made.file == File(sha256, made_for=9, made_of="member 1", epoch=3, revision=7)
    assert "put epoch 9 --write-out=json" in programs.asked
    assert is_alone_again(member, programs)


@pytest.mark.parametrize(
    ("told", "folder", "epoch"), [("5\n", FOLDER, 5), ("", FOLDER, 3), ("", Folder(None, True), 1)]
)
def test_the_data_say_of_which_epoch_they_are_or_else_the_marker(
    member: Member, programs: EtcdPrograms, told: str, folder: Folder, epoch: int
) -> None:
    programs.say("epoch", told)
    assert survivor.make_file(member, folder, 9).file.epoch == epoch


def test_data_that_are_corrupt_are_of_no_use(member: Member, programs: EtcdPrograms) -> None:
    programs.say("alarms", "memberID:1 alarm:CORRUPT\n")
    with pytest.raises(MakingError, match="CORRUPT alarm"):
        survivor.make_file(member, FOLDER, 9)
    assert not volume.saved_beside(member.data_dir).exists()
    assert is_alone_again(member, programs)


def test_the_alarm_of_a_full_database_is_taken_back_before_it_is_written_to(
    member: Member, programs: EtcdPrograms
) -> None:
    programs.say("alarms", "memberID:1 alarm:NOSPACE\n")
    survivor.make_file(member, FOLDER, 9)
    asked = [line.split()[:2] for line in programs.asked]
    assert asked.index(["alarm", "disarm"]) < asked.index(["put", "epoch"])


def test_where_a_lease_ended_meanwhile_it_is_tried_again(member: Member, programs: EtcdPrograms) -> None:
    programs.say("put", "9\n8\n")
    assert survivor.make_file(member, FOLDER, 9).file.revision == 7
    assert sum(line.startswith("put") for line in programs.asked) == 2


def test_where_leases_go_on_to_end_it_is_given_up(
    member: Member, programs: EtcdPrograms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survivor, "_TRIES", 2)
    programs.say("put", "9\n")
    with pytest.raises(MakingError, match="leases ended in the copy, 2 times"):
        survivor.make_file(member, FOLDER, 9)
    assert is_alone_again(member, programs)


def test_data_that_etcd_cant_go_on_with_are_of_no_use(member: Member, programs: EtcdPrograms) -> None:
    programs.have_etcd("exit 3")
    with pytest.raises(MakingError, match="exit code 3"):
        survivor.make_file(member, FOLDER, 9)


def test_an_etcd_that_never_serves_is_given_up(
    member: Member, programs: EtcdPrograms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survivor, "_START_TIMEOUT", 0.2)
    programs.have_etcd("exec sleep 60")
    with pytest.raises(MakingError, match="did not go on"):
        survivor.make_file(member, FOLDER, 9)
    assert not volume.copy_beside(member.data_dir).exists()


def test_an_etcd_that_does_not_end_is_killed(
    member: Member, programs: EtcdPrograms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survivor, "_STOP_TIMEOUT", 0.05)
    programs.have_etcd_run(before="trap '' TERM")
    started = time.monotonic()
    survivor.make_file(member, FOLDER, 9)
    assert time.monotonic() - started < 30, "it ended by itself"
    assert is_alone_again(member, programs)


def test_a_copy_that_was_left_behind_is_none_of_the_new_one(member: Member, programs: EtcdPrograms) -> None:
    keep_a_log(volume.copy_beside(member.data_dir), b"of another time")
    survivor.make_file(member, FOLDER, 9)
    assert is_alone_again(member, programs)


@pytest.mark.usefixtures("programs")
def test_a_folder_that_cant_be_copied_is_of_no_use(make_member: Callable[..., Member]) -> None:
    with pytest.raises(MakingError, match="No such file"):
        survivor.make_file(make_member(), FOLDER, 9)
