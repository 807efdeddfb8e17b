import json
from pathlib import Path

import pytest

from member import backup
from member.backup import BackupError
from tests.app.member.answering import Answer, Answering
from tests.app.member.conftest import FILE, SHA256


def listing(snapshots: list[object], passed_over: list[str]) -> Answer:
    return Answer(json.dumps({"snapshots": snapshots, "passed_over": passed_over, "live": None}).encode())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (listing([], []), False),
        (listing([{"name": "a"}], []), True),
        # Somebody counted, or there would be nothing to damage.
        (listing([], ["a: truncated"]), True),
    ],
)
def test_whether_there_are_snapshots(server: Answering, answer: Answer, expected: bool) -> None:
    server.answers["GET /snapshots"] = answer
    assert backup.has_snapshots(server.url) is expected


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(b"{}"), "has no snapshots in it"),
        (Answer(b'{"snapshots": null}'), "has no snapshots in it"),
        (Answer(b"[]"), "no JSON object: b'\\[\\]'"),
        (Answer(b"<html>"), "no JSON object"),
        (Answer(b"", 204), "no JSON object"),
        (Answer(b'{"title": "full", "description": "the disk is full"}', 503), "503: the disk is full"),
        (Answer(b'{"title": "full"}', 503), "503: full"),
        (Answer(b"[]", 500), "500: Internal Server Error"),
        (Answer(b'{"snapshots": []}', announced=1000), "broke off after 17 of 1000 bytes"),
    ],
)
def test_an_answer_of_no_use_is_none(server: Answering, answer: Answer, fault: str) -> None:
    server.answers["GET /snapshots"] = answer
    with pytest.raises(BackupError, match=fault):
        backup.has_snapshots(server.url)


def test_nobody_answers(unused_port: int) -> None:
    with pytest.raises(BackupError, match=rf"no answer from http://127.0.0.1:{unused_port}/snapshots: .*refused"):
        backup.has_snapshots(f"http://127.0.0.1:{unused_port}")


def test_a_silent_server_is_given_up(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "TIMEOUT", 0.05)
    with pytest.raises(BackupError, match="timed out"):
        backup.has_snapshots(silent)


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
