import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import backup_service, cluster, cluster_record, controller_service, members, restore, snapshots
from local.cluster_record import CONTINUE, EMPTY, SNAPSHOT, Request
from local.kube import Object
from local.layout import find_or_claim
from tests.local.conftest import is_reserved
from tests.local.fake_backup import NAMESPACE, FakeBackup, snapshot
from tests.local.fake_controller import FakeController, with_etcd
from tests.local.in_memory_kube import InMemoryKube

Command = Callable[..., int]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (backup_service, members, restore):
        monkeypatch.setattr(module, "POLL_INTERVAL", 0.0)
    monkeypatch.setattr(restore, "CHECK_TIMEOUT", 5.0)


@pytest.fixture
def kube(monkeypatch: pytest.MonkeyPatch) -> InMemoryKube:
    """What all contexts lead to."""
    fake = with_etcd()
    monkeypatch.setattr(snapshots, "Kube", lambda _context, _kubeconfig: fake)
    return fake


@pytest.fixture(autouse=True)
def controller(kube: InMemoryKube, monkeypatch: pytest.MonkeyPatch) -> FakeController:
    """It begins a new epoch, if it is asked to."""
    fake = FakeController(kube)
    fake.steps = fake.restore()
    monkeypatch.setattr(controller_service, "says", fake.says)
    return fake


@pytest.fixture
def backup(kube: InMemoryKube) -> Iterator[FakeBackup]:
    fake = FakeBackup()
    fake.snapshots = [
        snapshot("snapshot-1", log="complete to 120 at 2030-01-01T00:00:01Z (11)"),
        snapshot("snapshot-2", 12, reason="stop", proven="failed: torn [at 7]"),
    ]
    with fake.served(kube):
        yield fake


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command with these arguments; its exit code."""
    monkeypatch.setattr(cluster, "require_linux_root", lambda: None)

    def run(name: str, *words: str, where: str = "--context=kind") -> int:
        monkeypatch.setattr(sys, "argv", ["snapshots", name, where, *words])
        return snapshots.main()

    return run


Output = pytest.CaptureFixture[str]


@pytest.mark.usefixtures("backup")
def test_a_snapshot_is_printed_when_it_is_proven(command: Command, capsys: Output) -> None:
    assert command("take") == 0

    out, err = capsys.readouterr()
    assert out.splitlines()[1].split() == [
        *("snapshot-3", "2030-01-01T00:00:00.000Z", "request", "100", "12", "3.0", "MiB", "yes"),
    ]
    assert "[2/2] snapshot proven: done" in err


def test_snapshots_are_listed_with_the_log_and_what_was_passed_over(
    command: Command, backup: FakeBackup, capsys: Output
) -> None:
    backup.passed_over = ["snapshot-9: no [manifest]"]

    assert command("list") == 0

    heading, first, second, *rest = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "time", "reason", "revision", "count", "size", "proven", "log", "after", "it"]
    assert first.rstrip().endswith("  yes                  complete to 120 at 2030-01-01T00:00:01Z (11)")
    assert second.rstrip().endswith("stop           100     12  3.0 MiB  failed: torn [at 7]")
    assert rest == [
        "log: complete to 120 at 2030-01-01T00:00:01.000Z, 0.4 s ago",
        "passed over snapshot-9: no [manifest]",
    ]


@pytest.mark.parametrize(
    ("complete_at", "lag", "problem", "line"),
    [
        (None, None, None, "log: none yet"),
        (None, None, "no space", "log: none yet; no space"),
        ("now", 70.0, "compacted", "log: complete to 120 at now, 70.0 s ago; compacted"),
    ],
)
def test_what_the_log_lacks_is_told(
    command: Command,
    backup: FakeBackup,
    capsys: Output,
    complete_at: str | None,
    lag: float | None,
    problem: str | None,
    line: str,
) -> None:
    backup.log = {"complete_to": 120, "complete_at": complete_at, "lag_seconds": lag, "problem": problem}

    command("list")

    assert capsys.readouterr().out.splitlines()[-1] == line


def test_programs_get_the_same_fields_and_nothing_else(command: Command, backup: FakeBackup, capsys: Output) -> None:
    backup.passed_over = ["snapshot-9: no manifest"]

    assert command("list", "--format=json") == 0

    out, err = capsys.readouterr()
    fields = ("name", "time", "reason", "revision", "count", "size", "proven", "log")
    assert json.loads(out) == {"snapshots": [{field: item[field] for field in fields} for item in backup.snapshots]}
    assert err == ""


def test_a_name_is_never_cut_short(command: Command, backup: FakeBackup, capsys: Output) -> None:
    name = "snapshot-E000001-R00000000000000012345-20300101T000000Z-abcd"
    backup.snapshots = [snapshot(name, log="complete to 123456789 at 2030-01-01T00:00:01.000Z (123456789)")]

    command("list")

    assert name in capsys.readouterr().out


def test_a_restore_file_is_exported(command: Command, backup: FakeBackup, capsys: Output, tmp_path: Path) -> None:
    file = tmp_path / "file"

    assert command("export", f"--file={file}") == 0

    assert file.read_bytes() == backup.file
    assert capsys.readouterr().out.splitlines() == [
        f"{file}: 14 bytes, count 11, made from snapshot-1",
        f"sha256 {backup.made['sha256']}",
        f"To go back to it: make restore FILE={file}",
    ]


@pytest.mark.usefixtures("backup")
def test_a_file_is_not_overwritten_without_a_yes(command: Command, capsys: Output, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")

    assert command("export", f"--file={file}") == 1
    assert capsys.readouterr().err == f"error: FILE={file}: it exists. To overwrite it: YES=1\n"
    assert file.read_text() == "mine"
    assert command("export", f"--file={file}", "--yes") == 0


def test_an_export_to_nowhere_is_told(command: Command, backup: FakeBackup, capsys: Output) -> None:
    assert command("export") == 1

    assert capsys.readouterr().err == "error: say where to put it: FILE=...\n"
    assert backup.asked == []


@pytest.mark.usefixtures("backup")
def test_a_snapshot_that_there_is_not_is_told(command: Command, capsys: Output, tmp_path: Path) -> None:
    assert command("export", f"--file={tmp_path}/file", "--snapshot=x") == 1

    assert "SNAPSHOT=x: no such snapshot; there are latest, snapshot-1, snapshot-2" in capsys.readouterr().err


# A restore.


def asked(kube: InMemoryKube) -> list[tuple[str, str]]:
    """What was asked for, in this order: the wish, and the snapshot's name."""
    requests = [json.loads(changes["data"]["request"]) for _, changes, _ in kube.patched]
    return [(request["wish"], request["snapshot"]) for request in requests]


def live(count: int) -> Object:
    return {"epoch": 2, "cluster": "def", "count": count, "revision": 7}


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("--snapshot=latest", "The count is 12 now, and stays, but for"),
        (
            "--snapshot=snapshot-1",
            "The count goes back to 10 (snapshot-1), in a new epoch of etcd. The count is 12 now",
        ),
        ("--empty", "begins with nothing. The count is 12 now: 12 increments will be lost"),
    ],
)
def test_before_it_is_asked_for_it_says_what_is_lost_and_wants_a_yes(
    command: Command,
    kube: InMemoryKube,
    backup: FakeBackup,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
    word: str,
    text: str,
) -> None:
    del backup
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    assert command("restore", word) == 1

    told = capsys.readouterr().err
    assert text in told
    assert "To say yes without being asked: YES=1" in told
    assert kube.patched == []


@pytest.mark.parametrize(
    ("word", "request_"),
    [
        ("--snapshot=latest", (CONTINUE, "")),
        ("--snapshot=snapshot-1", (SNAPSHOT, "snapshot-1")),
        ("--empty", (EMPTY, "")),
    ],
)
def test_with_a_yes_it_is_asked_for_and_waited_for(
    command: Command,
    kube: InMemoryKube,
    controller: FakeController,
    backup: FakeBackup,
    capsys: Output,
    word: str,
    request_: tuple[str, str],
) -> None:
    backup.on_overview = lambda: backup.live.update(epoch=2) if kube.patched and backup.live else None

    assert command("restore", word, "--yes") == 0

    assert capsys.readouterr().out == "restored: epoch 2, count 12\n"
    assert (asked(kube), controller.steps) == ([request_], [])


def test_a_file_is_sent_before_it_is_asked_for(
    command: Command, kube: InMemoryKube, backup: FakeBackup, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    backup.live = live(12)

    assert command("restore", f"--file={tmp_path}/mine", "--yes") == 0

    assert b"mine" in backup.bodies
    assert asked(kube) == [(SNAPSHOT, "snapshot-3")]


def test_with_a_count_that_is_too_low_in_the_end_it_fails(
    command: Command, backup: FakeBackup, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "CHECK_TIMEOUT", 0.0)
    backup.live = live(9)

    assert command("restore", "--snapshot=snapshot-1", "--yes") == 1

    out, err = capsys.readouterr()
    assert "there should be epoch 2 with a count of 10 or more, but: epoch 2, count 9" in err
    assert out == ""


def test_nothing_is_restored_without_backup(command: Command, kube: InMemoryKube, capsys: Output) -> None:
    assert command("restore", "--empty", "--yes") == 0

    assert capsys.readouterr().out.startswith("restored: epoch 2; the count could not be checked: ")
    assert asked(kube) == [(EMPTY, "")]


def test_without_backup_there_is_no_snapshot_to_ask_for(command: Command, kube: InMemoryKube, capsys: Output) -> None:
    assert command("restore", "--snapshot=snapshot-1", "--yes") == 1

    assert "namespace ha-counter has no Service etcd-backup" in capsys.readouterr().err
    assert kube.patched == []


@pytest.mark.parametrize(
    ("request_", "words", "name"),
    [
        (Request("abc", CONTINUE), [], "SNAPSHOT=latest"),
        (Request("abc", CONTINUE), ["--snapshot=latest"], "SNAPSHOT=latest"),
        (Request("abc", SNAPSHOT, "snapshot-0"), [], "SNAPSHOT=snapshot-0"),
        (Request("abc", SNAPSHOT, "snapshot-0"), ["--snapshot=snapshot-0"], "SNAPSHOT=snapshot-0"),
        (Request("abc", EMPTY), [], "EMPTY=yes"),
        (Request("abc", EMPTY), ["--empty"], "EMPTY=yes"),
    ],
)
def test_one_that_is_under_way_is_waited_for_without_a_question(
    command: Command,
    kube: InMemoryKube,
    controller: FakeController,
    backup: FakeBackup,
    capsys: Output,
    request_: Request,
    words: list[str],
    name: str,
) -> None:
    """Whether its snapshot is still there is no matter."""
    cluster_record.ask(kube, NAMESPACE, request_)
    kube.patched.clear()
    backup.live = live(5)

    assert command("restore", *words) == 0

    out, err = capsys.readouterr()
    assert err.startswith(f"the restore of {name} was asked for already; waiting for it\n")
    assert out == "restored: epoch 2, count 5\n"
    assert (kube.patched, controller.steps) == ([], [])


def test_another_one_takes_its_place_after_a_yes(
    command: Command, kube: InMemoryKube, backup: FakeBackup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    cluster_record.ask(kube, NAMESPACE, Request("abc", SNAPSHOT, "snapshot-0"))
    backup.live = live(0)

    assert command("restore", "--empty") == 1
    assert asked(kube)[1:] == []
    assert command("restore", "--empty", "--yes") == 0
    assert asked(kube)[1:] == [(EMPTY, "")]


def test_what_is_done_is_not_waited_for_again_but_asked_for_anew(
    command: Command, kube: InMemoryKube, controller: FakeController, backup: FakeBackup
) -> None:
    controller.finish_at_once(Request("abc", EMPTY))
    controller.steps = controller.restore(epoch=3)
    kube.patched.clear()
    backup.live = {**live(0), "epoch": 3}

    assert command("restore", "--empty", "--yes") == 0
    assert asked(kube) == [(EMPTY, "")]


@pytest.mark.usefixtures("kube")
def test_what_to_restore_must_be_said(command: Command, capsys: Output) -> None:
    assert command("restore", "--yes") == 1

    assert (
        "error: say what to restore: SNAPSHOT=latest, SNAPSHOT=NAME, FILE=... or EMPTY=yes" in capsys.readouterr().err
    )


@pytest.mark.usefixtures("kube")
def test_a_restore_has_its_local_cluster_for_itself(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    find_or_claim("e2e")
    reserved: list[bool] = []
    monkeypatch.setattr(snapshots, "go_back", lambda *_: reserved.append(is_reserved("e2e")))

    assert command("restore", "--empty", where="--cluster=e2e") == 0
    assert reserved == [True]


def test_a_cluster_that_there_is_not_is_told(command: Command, capsys: Output) -> None:
    assert command("list", where="--cluster=e2e") == 1

    assert capsys.readouterr().err == "error: there is no local cluster 'e2e'; `make up` makes it\n"


@pytest.mark.parametrize("name", ["take", "list", "export", "restore"])
def test_every_command_has_help(command: Command, capsys: Output, name: str) -> None:
    with pytest.raises(SystemExit) as ended:
        command(name, "--help")

    assert ended.value.code == 0
    assert "--context" in capsys.readouterr().out
