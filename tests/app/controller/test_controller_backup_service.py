import json
import socket
import time
from collections.abc import Iterator

import pytest

from controller import backup_service
from controller.actions import MakeFile
from controller.backup_service import BackupService
from controller.facts import Chain
from controller.surroundings import UnavailableError
from member.starting import File
from tests.app.member.answering import Answer, Answering

SNAPSHOT = {"name": "snapshot-1", "epoch": 1}
OVERVIEW = {
    "snapshots": [SNAPSHOT],
    "passed_over": [],
    "epoch": 2,
    "chain": {"epoch": 1, "revision": 100, "lag_seconds": 3.0},
}
NOTHING_THERE = {"snapshots": [], "passed_over": [], "epoch": 1, "chain": None}

OF_CHAIN = MakeFile("chain", 3)
MADE = {"sha256": "sha", "epoch": 3, "source": "snapshot-1", "revision": 101}


def said(content: object) -> Answer:
    return Answer(json.dumps(content).encode())


def job(state: str, error: str | None = None, file: object = None) -> Answer:
    return said({"id": "job-1", "state": state, "error": error, "file": file})


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering({"GET /snapshots": said(OVERVIEW), "POST /restore-files": said({"id": "job-1"})}) as server:
        yield server


@pytest.fixture
def backup(server: Answering) -> BackupService:
    return BackupService(server.url)


def files(backup: BackupService) -> tuple[File, ...]:
    seen = backup.look()
    assert seen is not None
    return seen.files


def fault(backup: BackupService) -> str:
    seen = backup.look()
    assert seen is not None
    return seen.fault


def test_what_backup_has(backup: BackupService) -> None:
    before = time.time()
    seen = backup.look()
    assert seen is not None
    assert before <= seen.at <= time.time()
    assert (seen.snapshots, seen.epoch, seen.files, seen.fault) == (True, 2, (), "")
    assert seen.chain is not None
    # As long before now as it said: its clock may be another one.
    assert before - 3 <= seen.chain.complete <= time.time() - 3
    assert (seen.chain.epoch, seen.chain.revision) == (1, 100)


def test_it_may_have_nothing(backup: BackupService, server: Answering) -> None:
    server.answers["GET /snapshots"] = said(NOTHING_THERE)
    seen = backup.look()
    assert seen is not None
    assert (seen.snapshots, seen.chain) == (False, None)


def test_a_damaged_snapshot_is_one_too(backup: BackupService, server: Answering) -> None:
    # Somebody counted, or there would be nothing to damage.
    server.answers["GET /snapshots"] = said(NOTHING_THERE | {"passed_over": ["a: truncated"]})
    seen = backup.look()
    assert seen is not None
    assert seen.snapshots


def test_a_log_that_was_never_complete_was_so_long_ago(backup: BackupService, server: Answering) -> None:
    server.answers["GET /snapshots"] = said(OVERVIEW | {"chain": {"epoch": 1, "revision": 100, "lag_seconds": None}})
    seen = backup.look()
    assert seen is not None
    assert seen.chain == Chain(1, 100, 0.0)


@pytest.mark.parametrize(
    "answer", [Answer(b"", 503), Answer(b"<html>"), said([]), said({}), said(OVERVIEW | {"epoch": None}), said(None)]
)
def test_an_answer_of_no_use_is_silence(backup: BackupService, server: Answering, answer: Answer) -> None:
    server.answers["GET /snapshots"] = answer
    assert backup.look() is None


def test_one_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_service, "_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert BackupService(f"http://127.0.0.1:{server.getsockname()[1]}").look() is None


def test_nobody_is_there(unused_port: int) -> None:
    backup = BackupService(f"http://127.0.0.1:{unused_port}")
    assert backup.look() is None
    with pytest.raises(UnavailableError, match=r"backup: .*refused"):
        backup.make(OF_CHAIN)


@pytest.mark.parametrize(
    ("action", "asked"),
    [
        (OF_CHAIN, {"snapshot": "latest", "after_epoch": 2}),
        (MakeFile("snapshot snapshot-1", 4), {"snapshot": "snapshot-1", "after_epoch": 3}),
    ],
)
def test_a_file_is_asked_for_once(backup: BackupService, server: Answering, action: MakeFile, asked: object) -> None:
    server.answers["GET /restore-files/job-1"] = job("making")
    for _ in range(3):
        backup.make(action)
        assert files(backup) == ()
    assert server.asked.count("POST /restore-files") == 1
    assert json.loads(server.bodies[0]) == asked


def test_a_file_that_was_made_is_there_from_then_on(backup: BackupService, server: Answering) -> None:
    backup.make(OF_CHAIN)
    server.answers["GET /restore-files/job-1"] = job("done", file=MADE)
    # Its last revision is that which names the epoch.
    made = File("sha", made_for=3, made_of="chain", epoch=1, revision=100)
    assert files(backup) == (made,)
    server.answers["GET /restore-files/job-1"] = Answer(b"", 404)
    assert files(backup) == (made,)


def test_one_that_cant_be_made_is_told_and_asked_for_again(backup: BackupService, server: Answering) -> None:
    backup.make(OF_CHAIN)
    server.answers["GET /restore-files/job-1"] = job("failed", error="the disk is full")
    assert fault(backup) == "the disk is full"
    server.answers["POST /restore-files"] = said({"id": "job-2"})
    server.answers["GET /restore-files/job-2"] = job("done", file=MADE)
    backup.make(OF_CHAIN)
    assert fault(backup) == ""
    assert len(files(backup)) == 1


def test_what_a_backup_that_was_started_anew_forgot_is_asked_for_again(
    backup: BackupService, server: Answering
) -> None:
    backup.make(OF_CHAIN)
    server.answers["GET /restore-files/job-1"] = Answer(b"", 404)
    assert files(backup) == ()
    backup.make(OF_CHAIN)
    assert server.asked.count("POST /restore-files") == 2


def test_a_refusal_is_told(backup: BackupService, server: Answering) -> None:
    server.answers["POST /restore-files"] = Answer(b"", 404)
    with pytest.raises(UnavailableError, match=r"backup: .*404"):
        backup.make(MakeFile("snapshot of-nobody", 3))


def test_the_snapshot_of_a_file_may_be_gone_from_the_list(backup: BackupService, server: Answering) -> None:
    backup.make(OF_CHAIN)
    server.answers["GET /restore-files/job-1"] = job("done", file=MADE | {"source": "snapshot-2"})
    backup.look()
    assert backup.look() is not None
