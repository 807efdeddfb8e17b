from collections.abc import Callable
from pathlib import Path

import pytest

from member import making, volume
from member.making import MakingError, make
from member.marker import Marker, State
from member.settings import Member
from member.starting import File, Folder, Join, Make, New, Restore
from tests.app.member.answering import Answer, Answering
from tests.app.member.conftest import FILE, SHA256, keep_a_log

MARKER = Marker(2, 1, State.MADE, "new")
OF_CHAIN = File(SHA256, 2, "chain", 1, 100)


def restore(file: File = OF_CHAIN) -> Make:
    return Make(Restore(2, 1, "token-2", (0, 1, 2), file, 1_000_000_000), MARKER)


@pytest.fixture
def member(make_member: Callable[..., Member], server: Answering) -> Member:
    """A member with data of before, and a backup that has the file."""
    server.answers[f"GET /files/{SHA256}"] = Answer(FILE)
    member = make_member(BACKUP_URL=server.url)
    keep_a_log(member.data_dir, b"old")
    return member


@pytest.mark.parametrize("answer", [New(2, 1), Join(2, 1)])
def test_an_empty_folder_is_made(member: Member, answer: New | Join) -> None:
    make(member, Make(answer, MARKER))
    assert volume.look(member.data_dir) == Folder(MARKER, log=False)
    assert [path.name for path in member.data_dir.iterdir()] == ["marker"]


def test_one_that_joins_leaves_aside_what_is_of_another_epoch(member: Member) -> None:
    aside = member.data_dir.with_name("data.old")
    keep_a_log(aside, b"of another epoch")
    volume.mark(aside, Marker(9, 1, State.STARTED, "one"))
    make(member, Make(Join(2, 1), MARKER))
    assert (aside / "member/wal/0.wal").read_bytes() == b"of another epoch"


def test_a_folder_is_made_of_the_file_that_backup_has(member: Member, etcdutl: Path) -> None:
    make(member, restore())
    assert volume.look(member.data_dir) == Folder(MARKER, log=True)
    assert (member.data_dir / "member/wal/0.wal").read_bytes() == FILE
    arguments = (etcdutl.parent / "arguments").read_text().split()
    assert "--name=etcd1" in arguments
    assert "--initial-cluster=etcd0=http://etcd0:2380,etcd1=http://etcd1:2380,etcd2=http://etcd2:2380" in arguments
    assert "--initial-cluster-token=token-2" in arguments
    assert "--bump-revision=1000000000" in arguments
    assert not volume.file_beside(member.data_dir).exists()


@pytest.mark.usefixtures("etcdutl")
def test_the_file_of_a_member_is_had_from_that_member(
    member: Member, monkeypatch: pytest.MonkeyPatch, server: Answering
) -> None:
    with Answering({f"GET /files/{SHA256}": Answer(FILE)}) as etcd0:
        monkeypatch.setattr(making, "member_name", {0: "127.0.0.1", 1: "etcd1", 2: "etcd2"}.__getitem__)
        monkeypatch.setattr(making, "PEER_PORT", etcd0.port)
        make(member, restore(File(SHA256, 2, "member 0", 1, 100)))
    assert server.asked == []
    assert volume.look(member.data_dir) == Folder(MARKER, log=True)


def fails(member: Member, step: Make) -> str:
    """What is said of it. The folder stays as it was."""
    with pytest.raises(MakingError) as caught:
        make(member, step)
    assert volume.look(member.data_dir) == Folder(None, log=True)
    assert (member.data_dir / "member/wal/0.wal").read_bytes() == b"old"
    return str(caught.value)


def test_a_file_that_cant_be_had_makes_nothing(member: Member, server: Answering) -> None:
    server.answers[f"GET /files/{SHA256}"] = Answer(FILE[:-1])
    assert "gave another file" in fails(member, restore())


def test_without_a_backup_there_is_no_file_of_it(make_member: Callable[..., Member]) -> None:
    member = make_member()
    keep_a_log(member.data_dir, b"old")
    assert "BACKUP_URL is not set" in fails(member, restore())


def test_what_etcdutl_says_last_is_the_reason(member: Member, etcdutl: Path) -> None:
    etcdutl.write_text("#!/bin/sh\necho 'at 12:00:01' >&2\necho 'hash mismatch' >&2\nexit 5\n")
    assert fails(member, restore()) == f"{etcdutl} failed with 5: hash mismatch"
    etcdutl.write_text("#!/bin/sh\nexit 5\n")
    assert fails(member, restore()).endswith("failed with 5: without a word")


def test_an_etcdutl_that_is_not_there_is_a_reason(member: Member, etcdutl: Path) -> None:
    etcdutl.unlink()
    assert "No such file" in fails(member, restore())


@pytest.mark.usefixtures("etcdutl")
def test_what_failed_once_is_made_the_next_time(member: Member, server: Answering) -> None:
    server.answers[f"GET /files/{SHA256}"] = [Answer(b"", 503), Answer(FILE)]
    assert "503" in fails(member, restore())
    make(member, restore())
    assert volume.look(member.data_dir) == Folder(MARKER, log=True)
