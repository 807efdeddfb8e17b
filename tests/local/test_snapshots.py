import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import backup_service, cluster, cluster_record, etcd_epoch, restore, snapshots
from local.cluster_record import Restore
from local.layout import find_or_claim
from local.remains import stateful_set
from tests.local.conftest import is_reserved
from tests.local.fake_backup import NAMESPACE, FakeBackup, snapshot
from tests.local.in_memory_kube import InMemoryKube

Command = Callable[..., int]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_service, "POLL_INTERVAL", 0.0)
    monkeypatch.setattr(restore, "POLL_INTERVAL", 0.0)


@pytest.fixture
def kube(monkeypatch: pytest.MonkeyPatch) -> InMemoryKube:
    """What all contexts lead to."""
    fake = InMemoryKube()
    fake.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, "tests")
    spec = {"replicas": 3, "selector": {"matchLabels": {"app.kubernetes.io/name": "etcd"}}}
    fake.apply({**stateful_set(NAMESPACE), "spec": spec}, "tests")
    counter = {"namespace": NAMESPACE, "name": "counter-deployment"}
    fake.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": counter, "spec": {}}, "tests")
    record = {"namespace": NAMESPACE, "name": "etcd-cluster"}
    fake.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": record}, "tests")
    monkeypatch.setattr(snapshots, "Kube", lambda _context, _kubeconfig: fake)
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


def restored(kube: InMemoryKube) -> list[str]:
    return [f"{what} {changes['data']['restore']}" for what, changes, _ in kube.patched if "data" in changes]


def test_a_restore_says_what_is_lost_and_wants_a_yes(
    command: Command, kube: InMemoryKube, backup: FakeBackup, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    del backup

    assert command("restore", "--snapshot=latest") == 1

    assert "The count is 12 now: 1 increments will be lost" in capsys.readouterr().err
    assert kube.patched == []


def test_with_a_yes_it_is_carried_out(command: Command, kube: InMemoryKube, backup: FakeBackup, capsys: Output) -> None:
    backup.on_overview = lambda: backup.live.update(epoch=2) if kube.patched and backup.live else None

    assert command("restore", "--snapshot=latest", "--yes") == 0

    assert capsys.readouterr().out == "restored: epoch 2, count 12\n"
    assert restored(kube) == [
        f"ConfigMap ha-counter/etcd-cluster {backup.made['sha256']}",
        "ConfigMap ha-counter/etcd-cluster None",
    ]


UNDER_WAY = Restore("SNAPSHOT=latest", "snapshot-0", "cd" * 32, 2, 10**9, 5)


@pytest.mark.parametrize("words", [[], ["--snapshot=latest"]], ids=["nothing named", "the same named"])
def test_the_restore_that_is_under_way_is_finished_without_a_question(
    command: Command, kube: InMemoryKube, backup: FakeBackup, capsys: Output, words: list[str]
) -> None:
    cluster_record.begin(kube, NAMESPACE, cluster_record.read(kube, NAMESPACE), UNDER_WAY)
    backup.live = {"epoch": 2, "cluster": "def", "count": 5, "revision": 7}

    assert command("restore", *words) == 0

    out, err = capsys.readouterr()
    assert "the restore of snapshot-0 as epoch 2 began already; going on with it" in err
    assert out == "restored: epoch 2, count 5\n"
    assert "POST /restore-files" not in backup.asked


def test_another_one_begins_anew(
    command: Command, kube: InMemoryKube, backup: FakeBackup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "CHECK_TIMEOUT", 0.0)
    monkeypatch.setattr(etcd_epoch, "put", lambda *_: None)
    cluster_record.begin(kube, NAMESPACE, cluster_record.read(kube, NAMESPACE), UNDER_WAY)
    backup.live = {"epoch": 3, "cluster": "def", "count": 0, "revision": 7}
    kube.patched.clear()

    assert command("restore", "--empty", "--yes") == 1  # as that is epoch 4, which the fake never has
    assert restored(kube) == ["ConfigMap ha-counter/etcd-cluster empty"]


@pytest.mark.usefixtures("kube")
def test_what_to_restore_must_be_said(command: Command, capsys: Output) -> None:
    assert command("restore", "--yes") == 1

    assert "say what to restore: SNAPSHOT=latest, SNAPSHOT=NAME, FILE=... or EMPTY=yes" in capsys.readouterr().err


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
