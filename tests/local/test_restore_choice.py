import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from local import backup_answers, backup_service, restore_choice
from local.backup_answers import Overview
from local.backup_service import BackupService
from local.cluster_record import CONTINUE, EMPTY, SNAPSHOT, Request
from local.errors import LocalError
from local.kube import Object
from local.restore_choice import Choice, Wanted
from tests.local.fake_backup import NAMESPACE, FakeBackup, snapshot
from tests.local.in_memory_kube import InMemoryKube

LATEST = Choice("latest", None, False)
NOTHING = Choice("", None, True)
NAMED = Choice("snapshot-1", None, False)

BACK = Wanted(Request("abc", SNAPSHOT, "snapshot-1"), "snapshot-1", 11)
ANEW = Wanted(Request("abc", EMPTY), "nothing", 0)
ON = Wanted(Request("abc", CONTINUE), "the newest that backup and members have", None)


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
        restore_choice.prepare(Choice("x", None, False), service, console)


def test_without_any_snapshot_it_is_said_what_takes_one(
    backup: FakeBackup, service: BackupService, console: Console
) -> None:
    backup.snapshots.clear()

    with pytest.raises(LocalError, match="there are no snapshots yet; `make snapshot`"):
        restore_choice.prepare(Choice("snapshot-1", None, False), service, console)


# What it starts from.


def asked(wanted: Wanted) -> tuple[str, str, int]:
    return wanted.request.wish, wanted.request.snapshot, wanted.request.member


def test_a_snapshot_is_asked_for_by_its_name_with_its_count(
    backup: FakeBackup, service: BackupService, console: Console
) -> None:
    """Its own count: what the log after it has is not restored."""
    backup.snapshots = [snapshot("snapshot-1", 11, log="complete to 120 at 2030-01-01T00:00:01Z (15)")]

    wanted = restore_choice.prepare(NAMED, service, console)

    assert (asked(wanted), wanted.source, wanted.count) == ((SNAPSHOT, "snapshot-1", -1), "snapshot-1", 11)


def test_the_newest_is_for_the_controller_to_find(backup: FakeBackup, service: BackupService, console: Console) -> None:
    wanted = restore_choice.prepare(LATEST, service, console)

    assert (asked(wanted), wanted.source, wanted.count) == ((CONTINUE, "", -1), ON.source, None)
    assert backup.asked == []


def test_a_file_is_sent_and_is_a_snapshot_then(
    backup: FakeBackup, service: BackupService, console: Console, printed: io.StringIO, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_bytes(b"mine")

    wanted = restore_choice.prepare(Choice("", tmp_path / "mine", False), service, console)

    assert (asked(wanted), wanted.count) == ((SNAPSHOT, "snapshot-2", -1), 12)
    assert wanted.source == f"{tmp_path}/mine, now snapshot-2"
    assert (backup.asked, backup.bodies) == (["PUT /files"], [b"mine"])
    assert printed.getvalue().startswith("[1/1] file sent to backup, and proven: done")


def test_nothing_needs_no_backup(service: BackupService, console: Console) -> None:
    wanted = restore_choice.prepare(NOTHING, service, console)

    assert (asked(wanted), wanted.source, wanted.count) == ((EMPTY, "", -1), "nothing", 0)


@pytest.mark.usefixtures("backup")
@pytest.mark.parametrize("choice", [LATEST, NAMED, NOTHING], ids=str)
def test_each_time_it_is_another_request(service: BackupService, console: Console, choice: Choice) -> None:
    first, second = (restore_choice.prepare(choice, service, console).request for _ in range(2))

    assert first.id != second.id


@pytest.mark.parametrize("choice", [LATEST, NAMED, NOTHING], ids=str)
@pytest.mark.usefixtures("backup")
def test_what_is_asked_for_is_named_as_it_was_chosen(service: BackupService, console: Console, choice: Choice) -> None:
    """By that it is known again."""
    assert str(restore_choice.prepare(choice, service, console).request) == str(choice)


# What it costs.


def overview(live: Object | None, *snapshots: Object) -> Overview:
    told = {"snapshots": list(snapshots), "log": FakeBackup().log, "live": live, "passed_over": []}
    return backup_answers.overview(told)


def live(count: int) -> Object:
    return {"epoch": 1, "cluster": "abc", "count": count, "revision": 1}


LOGGED = snapshot("snapshot-1", 11, log="complete to 120 at 2030-01-01T00:00:01Z (15)")


@pytest.mark.parametrize(("count", "lost"), [(15, 4), (11, 0), (9, 0)])
def test_both_counts_and_what_is_lost_are_told(count: int, lost: int) -> None:
    assert restore_choice.consequence(BACK, overview(live(count))) == (
        "The count goes back to 11 (snapshot-1), in a new epoch of etcd. "
        f"The count is {count} now: {lost} increments will be lost, and what is counted until the members stop."
    )


def test_of_a_cluster_that_does_not_answer_it_is_told_what_the_log_has() -> None:
    assert restore_choice.consequence(BACK, overview(None, LOGGED)) == (
        "The count goes back to 11 (snapshot-1), in a new epoch of etcd. The cluster does not answer; "
        "the last count that the log has is 15: 4 increments will be lost, and what was counted after that."
    )


def test_with_nothing_all_is_lost() -> None:
    assert restore_choice.consequence(ANEW, overview(live(15))) == (
        "A new epoch of etcd begins with nothing. "
        "The count is 15 now: 15 increments will be lost, and what is counted until the members stop."
    )


@pytest.mark.parametrize("now", [None, overview(None)], ids=["no backup", "nothing there"])
def test_what_nobody_knows_is_not_made_up(now: Overview | None) -> None:
    assert restore_choice.consequence(ANEW, now) == (
        "A new epoch of etcd begins with nothing. What the count is now is not known, nor how much will be lost."
    )
    assert restore_choice.consequence(ON, now) == (
        "A new epoch of etcd begins with the newest that backup and members have. What the count is now is not known."
    )


def test_with_the_newest_the_count_stays() -> None:
    assert restore_choice.consequence(ON, overview(live(15))) == (
        "A new epoch of etcd begins with the newest that backup and members have. "
        "The count is 15 now, and stays, but for what the members don't agree on when they stop."
    )


def test_of_members_that_do_not_answer_nobody_knows_what_they_have() -> None:
    assert restore_choice.consequence(ON, overview(None, LOGGED)) == (
        "A new epoch of etcd begins with the newest that backup and members have. "
        "The cluster does not answer; the last count that the log has is 15, and members may have more."
    )


def test_backup_that_does_not_answer_tells_nothing(service: BackupService) -> None:
    assert restore_choice.overview_if_any(service) is None


@pytest.mark.usefixtures("backup")
def test_backup_that_answers_tells_what_there_is(service: BackupService) -> None:
    found = restore_choice.overview_if_any(service)

    assert found is not None
    assert found.last_count == 12
