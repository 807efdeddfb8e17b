from pathlib import Path

import pytest

from member import backup
from member.backup import BackupError
from tests.app.member.answering import Answer, Answering
from tests.app.member.conftest import FILE, SHA256


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(b"[]"), "no JSON object: b'\\[\\]'"),
        (Answer(b"<html>"), "no JSON object"),
        (Answer(b"", 204), "no JSON object"),
        (Answer(b'{"title": "full", "description": "the disk is full"}', 503), "503: the disk is full"),
        (Answer(b'{"title": "full"}', 503), "503: full"),
        (Answer(b"[]", 500), "500: Internal Server Error"),
        (Answer(b'{"name": "a"}', announced=1000), "broke off after 13 of 1000 bytes"),
    ],
)
def test_an_answer_of_no_use_is_none(server: Answering, answer: Answer, fault: str) -> None:
    server.answers["POST /snapshots?reason=stop"] = answer
    with pytest.raises(BackupError, match=fault):
        backup.save(server.url, timeout=5)


def test_nobody_answers(unused_port: int, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{unused_port}"
    with pytest.raises(BackupError, match=rf"no answer from {url}/files/{SHA256}: .*refused"):
        backup.fetch(url, SHA256, tmp_path / "file")


def test_a_silent_server_is_given_up(silent: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(backup, "TIMEOUT", 0.05)
    with pytest.raises(BackupError, match="timed out"):
        backup.fetch(silent, SHA256, tmp_path / "file")
    with pytest.raises(BackupError, match="timed out"):
        backup.save(silent, timeout=0.05)


def test_a_file_is_fetched(server: Answering, tmp_path: Path) -> None:
    server.answers[f"GET /files/{SHA256}"] = Answer(FILE)
    backup.fetch(server.url, SHA256, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == FILE


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(FILE[:-1] + b"x"), "gave another file: its sha256 is "),
        (Answer(FILE, announced=len(FILE) + 1), f"broke off after {len(FILE)} of {len(FILE) + 1} bytes"),
        (Answer(b'{"title": "Not found"}', 404), "404: Not found"),
    ],
)
def test_a_file_that_is_not_the_one(server: Answering, tmp_path: Path, answer: Answer, fault: str) -> None:
    server.answers[f"GET /files/{SHA256}"] = answer
    with pytest.raises(BackupError, match=fault):
        backup.fetch(server.url, SHA256, tmp_path / "file")


def test_a_full_disk_is_no_fault_of_backup(server: Answering) -> None:
    server.answers[f"GET /files/{SHA256}"] = Answer(FILE)
    with pytest.raises(OSError, match="No space left on device"):
        backup.fetch(server.url, SHA256, Path("/dev/full"))


def test_a_snapshot_is_asked_for(server: Answering) -> None:
    server.answers["POST /snapshots?reason=stop"] = Answer(b'{"name": "a"}', 201)
    assert backup.save(server.url, timeout=5) == {"name": "a"}
