import json
import os
import stat
import time
from collections.abc import Callable

import pytest

from member import command, launcher, peers
from member.folder import Contents
from member.launcher import Ask, Restore, Start, Wait, decide, decide_without_data
from member.settings import Member, Restoration
from tests.app.member.answering import Answer, Answering
from tests.app.member.conftest import BEGIN_ANEW, FILE, RESTORE, SHA256, keep_a_log

SECOND = Restoration(epoch=2, sha256=SHA256, bump=10)
FROM_NOTHING = Restoration(epoch=2, sha256=None, bump=0)

NONE = Answer(b'{"snapshots": [], "passed_over": []}')
SOME = Answer(json.dumps({"snapshots": [{"name": "a"}], "passed_over": []}).encode())


@pytest.mark.parametrize(
    ("log", "epoch", "restoration", "decision"),
    [
        (True, None, None, Start),
        (True, 1, None, Start),
        (False, None, None, Ask),
        # Its log is lost, and it may have counted: never a new one under its name.
        (False, 2, None, Wait),
        (False, 2, SECOND, Wait),
        (True, None, SECOND, Restore),
        (False, None, SECOND, Restore),
        (True, 1, SECOND, Restore),
        (True, 2, SECOND, Start),
        # An old record was put back.
        (True, 3, SECOND, Wait),
        (False, None, FROM_NOTHING, Restore),
        (True, 1, FROM_NOTHING, Restore),
        (False, 2, FROM_NOTHING, Start),
        (True, 2, FROM_NOTHING, Start),
        (True, 3, FROM_NOTHING, Wait),
    ],
)
def test_what_the_folder_and_the_record_decide(
    log: bool, epoch: int | None, restoration: Restoration | None, decision: type
) -> None:
    assert type(decide(Contents(log, epoch), restoration)) is decision


@pytest.mark.parametrize(
    ("snapshots", "never_started", "decision"), [(False, False, Start), (True, True, Start), (True, False, Wait)]
)
def test_what_the_others_decide(snapshots: bool, never_started: bool, decision: type) -> None:
    assert type(decide_without_data(snapshots, never_started)) is decision


class BecameEtcdError(Exception):
    """Where the process would be another one."""


class StillWaitsError(Exception):
    pass


@pytest.fixture(autouse=True)
def executed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    commands: list[list[str]] = []

    def execute(program: str, arguments: list[str]) -> None:
        assert program == arguments[0]
        commands.append(arguments)
        raise BecameEtcdError

    monkeypatch.setattr(os, "execv", execute)
    return commands


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What happens in one pause after the other; after the last the test ends."""
    events: list[Callable[[], object]] = []

    def pause(seconds: float) -> None:
        assert seconds == launcher.PAUSE
        if not events:
            raise StillWaitsError
        events.pop(0)()

    monkeypatch.setattr(time, "sleep", pause)
    return events


def nothing() -> None:
    """Happens."""


def test_without_backup_a_new_member_starts(
    make_member: Callable[..., Member], executed: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    member = make_member()
    with pytest.raises(BecameEtcdError):
        launcher.launch(member)
    assert executed == [command.start(member, member.cluster, member.token, "new")]
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(f"no data yet in {member.data_dir}, starting: /usr/local/bin/etcd --name=etcd1 ")
    assert stat.S_IMODE(member.data_dir.stat().st_mode) == 0o700


def test_a_member_with_data_asks_nobody(
    make_member: Callable[..., Member], server: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    member = make_member(BACKUP_URL=server.url)
    keep_a_log(member.data_dir)
    with pytest.raises(BecameEtcdError):
        launcher.launch(member)
    assert (member.data_dir / "member" / "wal" / "0.wal").read_bytes() == b"log"
    assert capsys.readouterr().out.startswith(f"data found in {member.data_dir}, starting: ")
    assert server.asked == []


def test_what_an_aborted_restore_left_is_removed(make_member: Callable[..., Member]) -> None:
    member = make_member()
    keep_a_log(member.data_dir)
    keep_a_log(member.data_dir.with_name("data.new"))
    with pytest.raises(BecameEtcdError):
        launcher.launch(member)
    assert not member.data_dir.with_name("data.new").exists()


def test_a_first_start_waits_for_backup(
    make_member: Callable[..., Member],
    server: Answering,
    pauses: list[Callable[[], object]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    pauses += [nothing, lambda: server.answers.update({"GET /snapshots": NONE})]
    with pytest.raises(BecameEtcdError):
        launcher.launch(make_member(BACKUP_URL=server.url))
    waiting, starting = capsys.readouterr().out.splitlines()
    assert waiting.startswith("waiting: no data here, and only backup knows whether there are snapshots: ")
    assert starting.startswith("no data yet in ")
    assert server.asked == ["GET /snapshots"] * 3


@pytest.mark.usefixtures("pauses")
def test_beside_snapshots_nothing_starts_without_data(
    make_member: Callable[..., Member], server: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers["GET /snapshots"] = SOME
    member = make_member(BACKUP_URL=server.url, MEMBERS="etcd0", MY_POD_NAME="etcd-0")
    with pytest.raises(StillWaitsError):
        launcher.launch(member)
    assert capsys.readouterr().out == "waiting: no data here, but there are snapshots: `make restore` decides\n"
    assert not member.data_dir.exists()


def test_a_late_member_starts_beside_snapshots(
    make_member: Callable[..., Member], server: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["GET /snapshots"] = SOME
    monkeypatch.setattr(peers, "say_never_started", lambda _: True)
    with pytest.raises(BecameEtcdError):
        launcher.launch(make_member(BACKUP_URL=server.url))


@pytest.mark.usefixtures("etcdutl")
def test_a_member_is_restored_once(
    make_member: Callable[..., Member],
    server: Answering,
    executed: list[list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.answers[f"GET /files/{SHA256}"] = Answer(FILE)
    member = make_member(**RESTORE, BACKUP_URL=server.url)
    for _ in range(2):
        with pytest.raises(BecameEtcdError):
            launcher.launch(member)
    restored, *starts = capsys.readouterr().out.splitlines()
    assert restored == f"restored from {SHA256} as epoch 2"
    assert [line.split(",")[0] for line in starts] == [f"data found in {member.data_dir}"] * 2
    assert "--initial-cluster-token=token-2" in executed[0]
    assert len(server.asked) == 1


def test_a_member_begins_with_nothing_beside_snapshots(
    make_member: Callable[..., Member], server: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers["GET /snapshots"] = SOME
    member = make_member(**BEGIN_ANEW, BACKUP_URL=server.url)
    for _ in range(2):  # etcd may end before it has written anything
        with pytest.raises(BecameEtcdError):
            launcher.launch(member)
    restored, *starts = capsys.readouterr().out.splitlines()
    assert restored == "restored from nothing as epoch 2"
    assert [line.split(" in ")[0] for line in starts] == ["epoch 2 begins with nothing"] * 2


@pytest.mark.usefixtures("etcdutl")
def test_a_restore_that_fails_is_tried_again(
    make_member: Callable[..., Member],
    server: Answering,
    pauses: list[Callable[[], object]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.answers[f"GET /files/{SHA256}"] = Answer(b"another")
    pauses += [nothing, lambda: server.answers.update({f"GET /files/{SHA256}": Answer(FILE)})]
    member = make_member(**RESTORE, BACKUP_URL=server.url)
    keep_a_log(member.data_dir, b"old")
    with pytest.raises(BecameEtcdError):
        launcher.launch(member)
    failed, restored, _ = capsys.readouterr().out.splitlines()
    assert failed.startswith("waiting: restoring epoch 2 failed: ")
    assert restored == f"restored from {SHA256} as epoch 2"


def test_each_reason_is_told_when_it_comes(
    make_member: Callable[..., Member],
    server: Answering,
    pauses: list[Callable[[], object]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    pauses += [nothing, lambda: server.answers.update({"GET /snapshots": SOME}), nothing, server.answers.clear, nothing]
    with pytest.raises(StillWaitsError):
        launcher.launch(make_member(BACKUP_URL=server.url, MEMBERS="etcd0", MY_POD_NAME="etcd-0"))
    assert [line.split()[4] for line in capsys.readouterr().out.splitlines()] == ["and", "but", "and"]
