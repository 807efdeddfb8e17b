import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from member import backup, folder
from member.folder import Contents
from member.restore import RestoreError, restore
from member.settings import Member
from tests.app.member.answering import Answer, Answering
from tests.app.member.conftest import BEGIN_ANEW, FILE, RESTORE, SHA256, keep_a_log


def run(member: Member) -> None:
    assert member.restoration is not None
    restore(member, member.restoration)


@pytest.mark.usefixtures("etcdutl")
def test_a_folder_is_made_of_the_file(server: Answering, make_member: Callable[..., Member], tmp_path: Path) -> None:
    server.answers[f"GET /files/{SHA256}"] = Answer(FILE)
    member = make_member(**RESTORE, BACKUP_URL=server.url)
    run(member)
    assert folder.look(member.data_dir) == Contents(log=True, epoch=2)
    assert (member.data_dir / "member" / "wal" / "0.wal").read_bytes() == FILE
    assert "--bump-revision=1000000000 --mark-compacted" in (tmp_path / "arguments").read_text()
    assert not folder.file_beside(member.data_dir).exists()


def test_a_folder_is_made_of_nothing(make_member: Callable[..., Member]) -> None:
    member = make_member(**BEGIN_ANEW)
    keep_a_log(member.data_dir)
    run(member)
    assert folder.look(member.data_dir) == Contents(log=False, epoch=2)
    assert folder.look(member.data_dir.with_name("data.old")) == Contents(log=True, epoch=None)


def test_etcdutl_fails(server: Answering, make_member: Callable[..., Member], etcdutl: Path) -> None:
    etcdutl.write_text("#!/bin/sh\ndate >&2\necho 'snapshot missing hash' >&2\nexit 3\n")
    server.answers[f"GET /files/{SHA256}"] = Answer(FILE)
    fails(make_member(**RESTORE, BACKUP_URL=server.url), f"{etcdutl} failed with 3: snapshot missing hash")


@pytest.mark.usefixtures("etcdutl")
def test_another_file_is_not_used(server: Answering, make_member: Callable[..., Member]) -> None:
    server.answers[f"GET /files/{SHA256}"] = Answer(b"another")
    fails(make_member(**RESTORE, BACKUP_URL=server.url), "gave another file")


def test_the_disk_is_full(make_member: Callable[..., Member], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_url: str, _sha256: str, path: Path) -> None:
        path.write_bytes(b"part")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(backup, "fetch", full)
    fails(make_member(**RESTORE, BACKUP_URL="http://127.0.0.1:1"), "No space left on device")


def test_without_backup_nobody_has_the_file(make_member: Callable[..., Member]) -> None:
    fails(make_member(**RESTORE), "BACKUP_URL is not set")


def fails(member: Member, fault: str) -> None:
    """The restore does, and leaves the old data as they were."""
    keep_a_log(member.data_dir, b"old")
    with pytest.raises(RestoreError, match=fault):
        run(member)
    assert folder.look(member.data_dir) == Contents(log=True, epoch=None)
    assert (member.data_dir / "member" / "wal" / "0.wal").read_bytes() == b"old"
    assert not member.data_dir.with_name("data.old").exists()
