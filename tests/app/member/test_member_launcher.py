"""A member asks, does what it is told, and becomes etcd: with a fake controller, and nothing that is executed."""

import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from member import file_server, launcher, listening, peers, probes, starting, survivor, volume
from member.making import MakingError
from member.marker import Marker, State
from member.messages import answer_to_json, report_from_json
from member.settings import Member
from member.starting import Answer, File, Folder, Hold, Join, New, Report, Restore, Save, Start, Wait
from member.survivor import Made
from tests.app.counter.until import until
from tests.app.member import answering
from tests.app.member.answering import Answering
from tests.app.member.conftest import FILE, SHA256, keep_a_log

STARTED = Marker(1, 1, State.STARTED, "one")
START = Start(1, 1, "token-1", (0, 1, 2), 0)
NO_ANSWER = answering.Answer(b"", 503)


class ExecutedError(BaseException):
    """Here the process would be etcd."""


@dataclass
class Etcd:
    """What the member became, and what was in its folder then."""

    arguments: list[str] = field(default_factory=list)
    folder: Folder | None = None


@dataclass(frozen=True)
class Life:
    """A member and its controller."""

    member: Member
    controller: Answering
    etcd: Etcd

    def launch(self, *answers: Answer | Callable[[], answering.Answer] | None) -> list[Report]:
        """Start the member. It gets these answers (None: none), and the last one from then on. Returns its reports."""
        question = "POST /members/1"
        self.controller.answers[question] = [answer if callable(answer) else _said(answer) for answer in answers]
        with pytest.raises(ExecutedError):
            launcher.launch(self.member)
        asked = zip(self.controller.asked, self.controller.bodies, strict=True)
        return [report_from_json(json.loads(body)) for request, body in asked if request == question]


def _said(answer: Answer | None) -> answering.Answer:
    return NO_ANSWER if answer is None else answering.Answer(json.dumps(answer_to_json(answer)).encode())


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has it serve on any ports, and names that of the file while it does."""
    ports: list[int] = []
    answered, serving = probes.answered, file_server.serving

    @contextmanager
    def serving_anywhere(find_file: file_server.FindFile) -> Iterator[int]:
        with serving(find_file, port=0) as port:
            ports.append(port)
            yield port
        ports.clear()

    monkeypatch.setattr(probes, "answered", lambda: answered(port=0))
    monkeypatch.setattr(file_server, "serving", serving_anywhere)
    monkeypatch.setattr(listening, "_POLL_INTERVAL", 0.01)
    return ports


@pytest.fixture
def life(
    make_member: Callable[..., Member], server: Answering, port: list[int], monkeypatch: pytest.MonkeyPatch
) -> Life:
    member, etcd = make_member(CONTROLLER_URL=server.url, BACKUP_URL=server.url), Etcd()

    def execute(program: str, arguments: list[str]) -> None:
        assert program == arguments[0]
        assert port == [], "etcd needs the port"
        etcd.arguments, etcd.folder = arguments, volume.look(member.data_dir)
        raise ExecutedError

    pauses = iter(range(300))

    def pause(_: float) -> None:
        assert next(pauses, None) is not None, "it asks for ever"

    monkeypatch.setattr(os, "execv", execute)
    monkeypatch.setattr(launcher, "time", SimpleNamespace(monotonic=time.monotonic, sleep=pause))
    return Life(member, server, etcd)


def have(member: Member, marker: Marker | None) -> None:
    """Have a member find data."""
    keep_a_log(member.data_dir)
    if marker is not None:
        volume.mark(member.data_dir, marker)


# Told.


def test_it_becomes_what_it_is_told(life: Life) -> None:
    have(life.member, STARTED)
    [report] = life.launch(START)
    assert report == Report(1, "pod-1", Folder(STARTED, log=True))
    assert life.etcd.arguments[0] == "/usr/local/bin/etcd"
    assert "--initial-cluster=etcd0=http://etcd0:2380,etcd1=http://etcd1:2380,etcd2=http://etcd2:2380" in (
        life.etcd.arguments
    )
    assert "--initial-cluster-token=token-1" in life.etcd.arguments
    assert "--initial-cluster-state=new" in life.etcd.arguments
    assert "--feature-gates=InitialCorruptCheck=true" in life.etcd.arguments


def test_a_new_member_makes_its_folder_asks_again_and_is_marked_before_it_is_etcd(life: Life) -> None:
    first, second = life.launch(New(1, 1), START)
    assert first.folder is None
    assert second.marker is not None
    assert (second.marker.epoch, second.marker.life, second.marker.state) == (1, 1, State.MADE)
    assert life.etcd.folder is not None
    assert life.etcd.folder.marker == Marker(1, 1, State.STARTED, second.marker.folder)
    assert "--feature-gates=InitialCorruptCheck=false" in life.etcd.arguments


def test_each_folder_has_a_name_of_its_own(life: Life) -> None:
    _, *reports = life.launch(New(1, 1), New(1, 1), START)
    assert len({report.marker.folder for report in reports if report.marker is not None}) == 2


def test_it_waits_and_says_once_why(life: Life, capfd: pytest.CaptureFixture[str]) -> None:
    have(life.member, STARTED)
    assert len(life.launch(*[Wait("not yet")] * 3, START)) == 4
    said = capfd.readouterr().out.splitlines()
    assert said[0] == "waiting: not yet"
    assert said[1].startswith("life 1 may start: /usr/local/bin/etcd --name=etcd1 ")
    assert len(said) == 2


def test_one_that_is_put_on_hold_stays_that_until_it_is_let_go(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "PATIENCE", 0.0)
    have(life.member, STARTED)
    held = Marker(1, 1, State.HELD, "one", "request-1")
    reports = life.launch(Hold("request-1", 1, 1), None, None, START)
    assert [report.marker for report in reports] == [STARTED, held, held, held]
    assert life.etcd.folder == Folder(STARTED, log=True)


@pytest.mark.parametrize("marker", [None, Marker(1, 1, State.HELD, "one", "request-1")])
def test_one_that_has_run_before_compares_its_data(life: Life, marker: Marker | None) -> None:
    have(life.member, marker)
    life.launch(START)
    assert "--feature-gates=InitialCorruptCheck=true" in life.etcd.arguments


def test_ends_of_etcd_are_told(life: Life) -> None:
    have(life.member, STARTED)
    assert [life.launch(START)[-1].crashes for _ in range(3)] == [0, 1, 2]


def test_what_was_being_made_when_it_was_killed_is_no_more(life: Life) -> None:
    have(life.member, STARTED)
    volume.begin(life.member.data_dir)
    life.launch(START)
    assert sorted(path.name for path in life.member.data_dir.parent.iterdir()) == ["data", "data.starts"]


# Not answered.


def without(arguments: list[str], name: str) -> bool:
    return not any(argument.startswith(f"--{name}=") and argument != f"--{name}=" for argument in arguments)


@pytest.mark.parametrize("marker", [STARTED, None])
def test_one_that_has_its_data_starts_by_itself_in_the_end(
    life: Life, monkeypatch: pytest.MonkeyPatch, marker: Marker | None
) -> None:
    monkeypatch.setattr(starting, "PATIENCE", 0.05)
    have(life.member, marker)
    assert len(life.launch(None)) > 1, "it did not wait"
    assert without(life.etcd.arguments, "initial-cluster-token")
    assert "--feature-gates=InitialCorruptCheck=true" in life.etcd.arguments


def test_a_controller_that_says_nothing_is_given_up(
    life: Life, silent: str, make_member: Callable[..., Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (launcher, starting):
        monkeypatch.setattr(module, "PATIENCE", 0.1)
    have(life.member, STARTED)
    with pytest.raises(ExecutedError):
        launcher.launch(make_member(CONTROLLER_URL=silent))


@pytest.mark.parametrize("marker", [Marker(1, 1, State.MADE, "one"), Marker(1, 1, State.HELD, "one", "request-1")])
def test_one_that_may_not_asks_on(life: Life, monkeypatch: pytest.MonkeyPatch, marker: Marker) -> None:
    monkeypatch.setattr(starting, "PATIENCE", 0.0)
    have(life.member, marker)
    assert len(life.launch(*[None] * 5, START)) == 6
    assert not without(life.etcd.arguments, "initial-cluster-token")


def test_one_without_data_asks_on(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "PATIENCE", 0.0)
    assert len(life.launch(*[None] * 5, New(1, 1), None, START)) == 8


def test_an_answer_begins_the_patience_anew(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def a_second_later() -> float:
        nonlocal now
        now += 1
        return now

    monkeypatch.setattr(launcher, "time", SimpleNamespace(monotonic=a_second_later, sleep=lambda _: None))
    monkeypatch.setattr(starting, "PATIENCE", 3.0)
    have(life.member, STARTED)
    assert len(life.launch(None, None, Wait("not yet"), None, None, None)) == 6


# What fails.


def test_where_no_folder_can_be_made_it_has_the_old_one_and_asks_again(
    life: Life, capfd: pytest.CaptureFixture[str]
) -> None:
    have(life.member, STARTED)
    restore = Restore(2, 1, "token-2", (0, 1, 2), File(SHA256, 2, "chain", 1, 100), 10)
    reports = life.launch(restore, restore, START)
    assert [report.folder for report in reports] == [Folder(STARTED, log=True)] * 3
    [failed, _] = capfd.readouterr().out.splitlines()
    assert failed.startswith("waiting: the folder for life 1 of epoch 2 could not be made: ")
    assert "answered 404" in failed


@pytest.mark.usefixtures("etcdutl")
def test_a_folder_is_made_of_a_file(life: Life) -> None:
    life.controller.answers[f"GET /files/{SHA256}"] = answering.Answer(FILE)
    restore = Restore(2, 1, "token-2", (0, 1, 2), File(SHA256, 2, "chain", 1, 100), 10)
    _, report = life.launch(restore, Start(2, 1, "token-2", (0, 1, 2), 0, has_log=True))
    assert report.folder is not None
    assert report.folder.log


def test_one_that_joins_is_not_marked_before_the_others_know_it(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    known = iter([False, False, True])
    asked: list[tuple[list[str], str, int]] = []

    def list_as(cluster: Iterator[str], name: str, entry: int) -> bool:
        asked.append((list(cluster), name, entry))
        return next(known)

    monkeypatch.setattr(peers, "list_as", list_as)
    _, *reports = life.launch(Join(1, 2), Start(1, 2, "token-1", (0, 1, 2), 77))
    assert [report.marker.state for report in reports if report.marker is not None] == [State.MADE] * 3
    assert asked == [(["etcd0", "etcd1", "etcd2"], "etcd1", 77)] * 3
    assert "--initial-cluster-state=existing" in life.etcd.arguments


def test_an_etcd_that_cant_be_started_is_a_fault(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise FileNotFoundError("no etcd")

    have(life.member, STARTED)
    monkeypatch.setattr(os, "execv", fail)
    life.controller.answers["POST /members/1"] = _said(START)
    with pytest.raises(OSError, match="no etcd"):
        launcher.launch(life.member)


# A file for others.


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> threading.Event:
    """Has a file made once this is set."""
    go_on = threading.Event()
    path = tmp_path / "saved"
    path.write_bytes(FILE)

    def make_file(member: Member, folder: Folder, epoch: int) -> Made:
        assert folder == Folder(STARTED, log=True)
        assert go_on.wait(10)
        return Made(File(SHA256, epoch, f"member {member.number}", 1, 100), path)

    monkeypatch.setattr(survivor, "make_file", make_file)
    return go_on


def finish_the_file(go_on: threading.Event) -> None:
    go_on.set()
    until(lambda: not any(thread.name == "saver" for thread in threading.enumerate()))


def test_while_its_folder_is_read_nothing_is_written_to_it(
    life: Life, go_on: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "PATIENCE", 0.0)
    have(life.member, STARTED)
    hold, save = Hold("request-1", 1, 1), Save(2, "a new epoch is to begin")

    def hold_at_last() -> answering.Answer:
        finish_the_file(go_on)
        return _said(hold)

    reports = life.launch(save, hold, Join(1, 2), START, None, save, hold_at_last, START)
    assert [report.marker for report in reports[:7]] == [STARTED] * 7
    assert [report.file for report in reports[:7]] == [None] * 7
    assert reports[7].marker == Marker(1, 1, State.HELD, "one", "request-1")
    assert reports[7].file == File(SHA256, 2, "member 1", 1, 100)


def test_others_get_the_file_as_long_as_it_is_not_etcd(life: Life, go_on: threading.Event, port: list[int]) -> None:
    have(life.member, STARTED)
    got: list[bytes] = []

    def get_the_file() -> answering.Answer:
        finish_the_file(go_on)
        with urllib.request.urlopen(f"http://127.0.0.1:{port[0]}/files/{SHA256}", timeout=5) as answer:
            got.append(answer.read())
        return _said(START)

    life.launch(Save(2, "a new epoch is to begin"), get_the_file)
    assert got == [FILE]


def test_that_its_data_are_of_no_use_is_told(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MakingError("its data are corrupt")

    def wait() -> answering.Answer:
        finish_the_file(threading.Event())
        return _said(Wait("not yet"))

    monkeypatch.setattr(survivor, "make_file", fail)
    have(life.member, STARTED)
    _, _, report = life.launch(Save(2, "a new epoch is to begin"), wait, START)
    assert (report.file, report.unusable) == (None, "its data are corrupt")
