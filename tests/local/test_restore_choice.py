import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from local import backup_answers, backup_service, restore_choice
from local.backup_answers import Overview
from local.backup_service import BackupService
from local.cluster_record import EMPTY, ClusterRecord, Restore
from local.errors import LocalError
from local.kube import Object
from local.restore_choice import Choice
from tests.local.fake_backup import NAMESPACE, FakeBackup, snapshot
from tests.local.in_memory_kube import InMemoryKube

RECORD = ClusterRecord(1, None, "2")
LATEST = Choice("latest", None, False)
NOTHING = Choice("", None, True)
RESTORE = Restore("SNAPSHOT=latest", "snapshot-1", "ab" * 32, 2, 10**9, 11)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_service, "POLL_INTERVAL", 0.0)


@pytest.fixture
def kube() -> InMemoryKube:
    return InMemoryKube()


@pytest.fixture
def service(kube: InMemoryKube) -> BackupService:
    return BackupService(kube, NAMESPACE)


@pytest.fixture
def backup(kube: InMemoryKube) -> Iterator[FakeBackup]:
    fake = FakeBackup()
    fake.snapshots = [snapshot("snapshot-1")]
    with fake.served(kube):
        yield fake


# What is named.


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (LATEST, "SNAPSHOT=latest"),
        (Choice("", Path("mine"), False), "FILE=mine"),
        (NOTHING, "EMPTY=yes"),
        (Choice("", None, False), ""),
    ],
)
def test_a_choice_is_named_as_it_was_typed(choice: Choice, text: str) -> None:
    assert str(choice) == text


@pytest.mark.parametrize(
    "choice", [Choice("a", Path("b"), False), Choice("a", None, True), Choice("", Path("b"), True)]
)
def test_of_two_things_neither_is_restored(choice: Choice) -> None:
    with pytest.raises(LocalError, match=r"SNAPSHOT=..., FILE=... and EMPTY=yes only one"):
        restore_choice.check(choice)


@pytest.mark.parametrize(("name", "text"), [("gone", "no such file"), ("", "it is not a file")])
def test_what_is_no_file_is_told(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(LocalError, match=f"FILE=.*: {text}"):
        restore_choice.check(Choice("", tmp_path / name, False))


def test_of_a_snapshot_that_there_is_not_those_that_there_are_are_named(
    backup: FakeBackup, service: BackupService, console: Console
) -> None:
    backup.snapshots.append(snapshot("snapshot-2"))

    with pytest.raises(LocalError, match="SNAPSHOT=x: no such snapshot; there are latest, snapshot-1, snapshot-2"):
        restore_choice.prepare(Choice("x", None, False), service, RECORD, console)

    assert "POST /restore-files" not in backup.asked


def test_without_any_snapshot_it_is_said_what_takes_one(
    backup: FakeBackup, service: BackupService, console: Console
) -> None:
    backup.snapshots.clear()

    with pytest.raises(LocalError, match="there are no snapshots yet; `make snapshot`"):
        restore_choice.prepare(LATEST, service, RECORD, console)


# What it starts from.


def test_a_snapshot_becomes_a_restore_file(backup: FakeBackup, service: BackupService, console: Console) -> None:
    wanted = restore_choice.prepare(LATEST, service, RECORD, console)

    assert wanted == Restore("SNAPSHOT=latest", "snapshot-1", backup.made["sha256"], 2, 10**9, 11)


def test_a_file_is_sent_and_becomes_one(
    backup: FakeBackup, service: BackupService, console: Console, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_bytes(b"mine")

    wanted = restore_choice.prepare(Choice("", tmp_path / "mine", False), service, RECORD, console)

    assert (wanted.asked, wanted.file) == (f"FILE={tmp_path}/mine", backup.made["sha256"])
    assert backup.bodies[:2] == [b"mine", b'{"snapshot": "snapshot-2", "after_epoch": 1}']


@pytest.mark.parametrize(("live", "epoch"), [(None, 3), (5, 6)])
def test_nothing_is_of_an_epoch_that_nobody_knows_yet(
    backup: FakeBackup, service: BackupService, console: Console, live: int | None, epoch: int
) -> None:
    backup.live = {"epoch": live, "cluster": "abc", "count": 1, "revision": 1} if live else None

    wanted = restore_choice.prepare(NOTHING, service, replace(RECORD, epoch=2), console)

    assert wanted == Restore("EMPTY=yes", "nothing", EMPTY, epoch, None, 0)


def test_nothing_needs_no_backup(service: BackupService, console: Console) -> None:
    assert restore_choice.prepare(NOTHING, service, RECORD, console).epoch == 2


def test_the_epoch_comes_after_that_of_the_record(backup: FakeBackup, service: BackupService, console: Console) -> None:
    """Backup may not know of it: its volume may be new."""
    restore_choice.prepare(LATEST, service, ClusterRecord(2, None, "3"), console)

    assert json.loads(next(filter(None, backup.bodies)))["after_epoch"] == 2


# What it costs.


def overview(live: Object | None, *snapshots: Object) -> Overview:
    told = {"snapshots": list(snapshots), "log": FakeBackup().log, "live": live, "passed_over": []}
    return backup_answers.overview(told)


def live(count: int) -> Object:
    return {"epoch": 1, "cluster": "abc", "count": count, "revision": 1}


@pytest.mark.parametrize(("count", "lost"), [(15, 4), (11, 0), (9, 0)])
def test_both_counts_and_what_is_lost_are_told(count: int, lost: int) -> None:
    assert restore_choice.consequence(RESTORE, overview(live(count)), 1) == (
        "The count goes back to 11 (snapshot-1), as epoch 2 after 1. "
        f"The count is {count} now: {lost} increments will be lost, and what is counted until the members stop."
    )


def test_of_a_cluster_that_does_not_answer_it_is_told_what_the_log_has() -> None:
    logged = snapshot("snapshot-1", 11, log="complete to 120 at 2030-01-01T00:00:01Z (15)")

    assert restore_choice.consequence(RESTORE, overview(None, logged), 1) == (
        "The count goes back to 11 (snapshot-1), as epoch 2 after 1. The cluster does not answer; "
        "the last count that the log has is 15: 4 increments will be lost, and what was counted after that."
    )


def test_what_nobody_knows_is_not_made_up() -> None:
    nothing = Restore("EMPTY=yes", "nothing", EMPTY, 3, None, 0)

    assert restore_choice.consequence(nothing, None, 2) == (
        "Etcd begins with nothing, as epoch 3 after 2. What the count is now is not known, nor how much will be lost."
    )
