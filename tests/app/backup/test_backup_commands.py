import argparse
import io
import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import replace

import pytest

from backup import commands
from backup.client import Client
from backup.commands import Surroundings
from backup.views import JobView, LogView
from tests.app.backup.fake_core import CONTENT, RESTORE_FILE, SNAPSHOT, TIME, FakeCore


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


class Shell:
    """Runs commands, and has what they wrote to stdout as bytes."""

    def __init__(self, port: int) -> None:
        self.stdin = io.BytesIO()
        self.stdout = io.BytesIO()
        self._port = port
        self._waits = 100

    def run(self, *words: str) -> int:
        parser = argparse.ArgumentParser()
        commands.add_commands(parser)
        surroundings = Surroundings(Client(self._port), self.stdin, self.stdout, self._wait)
        return commands.run(parser.parse_args(words), surroundings)

    def _wait(self, _seconds: float) -> None:
        self._waits -= 1
        assert self._waits, "it waits for ever"


@pytest.fixture
def shell(port: int) -> Shell:
    return Shell(port)


def test_snapshot_waits_until_it_is_proven(shell: Shell, core: FakeCore, capsys: pytest.CaptureFixture[str]) -> None:
    core.proofs = ["pending", "pending", "yes"]
    assert shell.run("snapshot") == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == ["snapshot-2 is saved: revision 17, count 16", "it is being proven"]
    [titles, row] = out.splitlines()
    assert titles.split() == ["name", "time", "reason", "revision", "count", "size", "proven", "log", "after", "it"]
    assert row.split()[:8] == ["snapshot-2", "2026-03-04T05:06:07.890Z", "request", "17", "16", "20.0", "KiB", "yes"]


def test_snapshot_need_not_wait(shell: Shell, core: FakeCore, capsys: pytest.CaptureFixture[str]) -> None:
    core.proofs = ["pending"]
    assert shell.run("snapshot", "--no-wait") == 0
    assert "pending" in capsys.readouterr().out


@pytest.mark.parametrize("proven", ["failed: its count is 15, not 16", "no"])
def test_snapshot_fails_if_it_is_not_proven(
    shell: Shell, core: FakeCore, capsys: pytest.CaptureFixture[str], proven: str
) -> None:
    core.proofs = ["pending", proven]
    assert shell.run("snapshot") == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"snapshot-2 is saved, but not proven: {proven}"


def test_snapshot_fails_if_it_disappears(
    shell: Shell, core: FakeCore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "overview", lambda: replace(FakeCore().overview(), snapshots=()))
    assert shell.run("snapshot") == 1
    assert "snapshot-2 is gone" in capsys.readouterr().err


def test_snapshot_says_why_it_cannot_be_taken(shell: Shell, core: FakeCore, capsys: pytest.CaptureFixture[str]) -> None:
    core.failure = OSError("no quorum of etcd answers")
    assert shell.run("snapshot") == 1
    assert capsys.readouterr() == ("", "no quorum of etcd answers\n")


def test_snapshots_is_a_table_with_the_log_and_what_is_of_no_use(
    shell: Shell, core: FakeCore, capsys: pytest.CaptureFixture[str]
) -> None:
    core.snapshots = [
        replace(SNAPSHOT, log="", size=7, proven="failed: it is empty", reason="log"),
        replace(SNAPSHOT, name="snapshot-20", count=123456, size=3 * 1024**3),
    ]
    core.log = LogView(20, TIME, 0.4, "the volume is full")
    core.passed_over = ("snapshot-0: it is empty",)
    assert shell.run("snapshots") == 0
    assert capsys.readouterr().out.splitlines() == [
        "name         time                      reason    revision   count     size  proven               log after it",
        "snapshot-1   2026-03-04T05:06:07.890Z  log             17      16      7 B  failed: it is empty",
        "snapshot-20  2026-03-04T05:06:07.890Z  schedule        17  123456  3.0 GiB  yes                  "
        "complete to 20 at 2026-03-04T05:06:08.000Z (19)",
        "",
        "log: complete to 20 at 2026-03-04T05:06:07.890Z, 0.4 s ago; the volume is full",
        "passed over snapshot-0: it is empty",
    ]


def test_snapshots_when_there_are_none(shell: Shell, core: FakeCore, capsys: pytest.CaptureFixture[str]) -> None:
    core.snapshots = []
    core.log = LogView()
    assert shell.run("snapshots") == 0
    [titles, empty, log] = capsys.readouterr().out.splitlines()
    assert titles.startswith("name  time")
    assert (empty, log) == ("", "log: not known to be complete yet")


def test_snapshots_for_programs_have_the_same_fields(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.run("snapshots", "--format=json") == 0
    out, err = capsys.readouterr()
    fields = {"name", "time", "reason", "revision", "count", "size", "proven", "log"}
    assert json.loads(out) == {"snapshots": [{name: SNAPSHOT.to_json()[name] for name in fields}]}
    assert err == ""


@pytest.mark.parametrize("snapshot", ["latest", "snapshot-1"])
def test_export_writes_a_restore_file(
    shell: Shell, core: FakeCore, capsys: pytest.CaptureFixture[str], snapshot: str
) -> None:
    core.jobs = [
        JobView("job-1", "making", "starting a scratch etcd"),
        JobView("job-1", "making", "replaying the log", 1, 3),
        JobView("job-1", "making", "replaying the log", 2, 3),
        JobView("job-1", "done", "done", file=RESTORE_FILE),
    ]
    assert shell.run("export", snapshot) == 0
    assert core.asked_for == [snapshot]
    assert shell.stdout.getvalue() == CONTENT
    out, err = capsys.readouterr()
    assert out == "", "nothing but the file's bytes goes to stdout"
    assert err.splitlines() == [
        "starting a scratch etcd",
        "replaying the log: 1 of 3",
        f"restore-1: 1.3 MiB, count 19, sha256 {RESTORE_FILE.sha256}",
    ]


def test_export_of_other_bytes_fails(shell: Shell, core: FakeCore, capsys: pytest.CaptureFixture[str]) -> None:
    core.files[RESTORE_FILE.sha256] = io.BytesIO(bytes(len(CONTENT)))
    assert shell.run("export", "latest") == 1
    assert "is of no use" in capsys.readouterr().err


def test_export_to_a_terminal_is_refused(shell: Shell, core: FakeCore, capsys: pytest.CaptureFixture[str]) -> None:
    shell.stdout = Terminal()
    assert shell.run("export", "latest") == 1
    assert "terminal" in capsys.readouterr().err
    assert core.asked_for == []


def test_export_of_an_unknown_snapshot_fails(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.run("export", "other") == 1
    assert capsys.readouterr().err == "There is no snapshot 'other'.\n"


def test_restore_file_says_why_it_cannot_be_made(
    shell: Shell, core: FakeCore, capsys: pytest.CaptureFixture[str]
) -> None:
    core.jobs = [JobView("job-1", "failed", "replaying the log", error="the log has a gap after 18")]
    assert shell.run("restore-file", "latest") == 1
    assert capsys.readouterr().err == "No restore file could be made: the log has a gap after 18\n"


def test_restore_file_tells_what_is_in_it(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.run("restore-file", "latest") == 0
    assert capsys.readouterr().out.splitlines()[:8] == [
        "name      restore-1",
        "source    snapshot-1",
        f"sha256    {RESTORE_FILE.sha256}",
        "epoch     2",
        "bump      1000000000",
        "revision  21",
        "count     19",
        "live      count 23",
    ]


def test_restore_file_without_a_cluster_that_answers(
    shell: Shell, core: FakeCore, capsys: pytest.CaptureFixture[str]
) -> None:
    core.jobs = [JobView("job-1", "done", "done", file=replace(RESTORE_FILE, live_count=None))]
    assert shell.run("restore-file", "latest") == 0
    assert "live      the cluster does not answer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("snapshot", "wish"),
    [("latest", {"wish": "continue"}), ("snapshot-1", {"wish": "snapshot", "snapshot": "snapshot-1"})],
)
def test_restore_file_tells_how_the_controller_is_asked_for_a_restore(
    shell: Shell, capsys: pytest.CaptureFixture[str], snapshot: str, wish: Mapping[str, str]
) -> None:
    def request() -> dict[str, str]:
        assert shell.run("restore-file", snapshot) == 0
        out = capsys.readouterr().out
        [words] = [shlex.split(line) for line in out.splitlines() if line.startswith("  kubectl patch ")]
        assert words[:-1] == ["kubectl", "patch", "configmap", "etcd-cluster", "--type=merge"]
        data: dict[str, dict[str, str]] = json.loads(words[-1].removeprefix("--patch="))
        found: dict[str, str] = json.loads(data["data"]["request"])
        return found

    first, second = request(), request()
    assert first.pop("id") != second.pop("id")
    assert first == second == wish


def test_upload_sends_stdin(shell: Shell, core: FakeCore, capsys: pytest.CaptureFixture[str]) -> None:
    content = b"snapshot" + os.urandom(100_000)
    shell.stdin = io.BytesIO(content)
    assert shell.run("upload") == 0
    assert core.uploaded == content
    assert "snapshot-uploaded" in capsys.readouterr().out


def test_upload_of_what_is_no_snapshot_fails(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.stdin = io.BytesIO(b"something else")
    assert shell.run("upload") == 1
    assert "it has no hash at its end" in capsys.readouterr().err


def test_upload_from_a_terminal_is_refused(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.stdin = Terminal()
    assert shell.run("upload") == 1
    assert "terminal" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["export"], ["restore-file"], ["other"], ["snapshots", "--format=xml"]])
def test_a_wrong_command_line_is_exit_code_2(
    shell: Shell, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        shell.run(*words)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["snapshot", "snapshots", "export", "restore-file", "upload"])
def test_every_command_has_help(shell: Shell, capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as caught:
        shell.run(command, "--help")
    assert caught.value.code == 0
    assert f"{command} [-h]" in capsys.readouterr().out
