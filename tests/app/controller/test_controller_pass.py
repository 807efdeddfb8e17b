"""One pass of the controller: what it asks, and in which order it does what was decided."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest

from controller import controller as controller_module
from controller import hearing as hearing_module
from controller.actions import AddEntry, DeleteClaim, DeletePod, MakeFile, ScalePods
from controller.controller import Controller
from controller.decision import Decision
from controller.facts import Backup, Facts, Running
from controller.members import Look
from controller.metrics import Metrics
from controller.record import Past, Record, RecordError
from controller.surroundings import Objects, UnavailableError
from member.addresses import MOST_MEMBERS
from member.marker import Marker, State
from member.starting import Folder, New, Report, Start, Wait
from tests.app.conftest import Clock
from tests.app.controller import asking as asking_module
from tests.app.controller.asking import Asking
from tests.app.controller.cases import CLUSTER, counting, entry, quorum_of
from tests.app.controller.fake_surroundings import (
    NOBODY,
    THREE_PODS,
    FakeBackup,
    FakeKubernetes,
    FakeMembers,
    NotedHearing,
    Surroundings,
)

SAYS_NOTHING_NEW = Decision("all_well", "all is well")
REPORT = Report(1, "pod-1", None)
LATER = Record(counting(), controller="me")


class Deciding:
    """Decides what it is told, and keeps from what."""

    def __init__(self, around: Surroundings) -> None:
        self.decision = SAYS_NOTHING_NEW
        self.facts: list[Facts] = []
        self._around = around

    def decide(self, _record: Record, facts: Facts, _token: str) -> Decision:
        self._around.note("decide")
        self.facts.append(facts)
        return self.decision


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


@pytest.fixture
def hearing(around: Surroundings) -> NotedHearing:
    return NotedHearing(around)


@pytest.fixture
def asking(hearing: NotedHearing) -> Iterator[Asking]:
    with asking_module.asking(hearing) as asking:
        yield asking


@pytest.fixture(autouse=True)
def clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    for module in (controller_module, hearing_module):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=clock))
    return clock


@pytest.fixture
def backup(around: Surroundings) -> FakeBackup:
    return FakeBackup(around)


@pytest.fixture
def controller(around: Surroundings, hearing: NotedHearing, backup: FakeBackup) -> Controller:
    return Controller("me", FakeKubernetes(around), FakeMembers(around), backup, hearing, Metrics())


@pytest.fixture
def deciding(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> Deciding:
    deciding = Deciding(around)
    monkeypatch.setattr(controller_module, "decide", deciding.decide)
    return deciding


def facts_of(controller: Controller, deciding: Deciding) -> Facts:
    controller.pass_once()
    return deciding.facts[-1]


def run(*members: int, at: float) -> Look:
    return Look({member: Running(CLUSTER, entry(member), at) for member in members}, None)


# Who decides.


def test_one_that_comes_new_writes_its_name_and_forgets_what_was_said(
    controller: Controller, deciding: Deciding, around: Surroundings, asking: Asking
) -> None:
    around.record = Record(counting(), step=("request-1", "holding"), controller="another")
    asked = asking.ask(REPORT)
    controller.pass_once()
    assert around.record == Record(counting(), step=("request-1", "holding"), controller="me")
    assert around.asked == ["read", "write"]
    assert asked.result(10) is None
    assert facts_of(controller, deciding).reports() == []


def test_one_that_lost_the_race_for_that_decides_nothing(
    controller: Controller, around: Surroundings, asking: Asking
) -> None:
    around.record = Record(counting(), controller="another")
    around.changed_meanwhile = True
    asking.ask(REPORT)
    controller.pass_once()
    assert around.asked == ["read", "write"]
    assert asking.hearing.waiting() == [1]


def test_what_was_known_before_another_decided_is_not_known_any_more(
    controller: Controller, deciding: Deciding, around: Surroundings, clock: Clock
) -> None:
    around.says = replace(run(0, 1, 2, at=clock.now), quorum=quorum_of({0: True}, at=clock.now))
    assert facts_of(controller, deciding).watched
    around.record = replace(around.record, controller="another")
    around.says = NOBODY
    clock.pass_by(100)
    controller.pass_once()
    facts = facts_of(controller, deciding)
    assert (facts.last_quorum, facts.watched) == (None, False)
    assert facts.seen(0).silent_since == clock.now


# The order.


@pytest.mark.usefixtures("deciding")
def test_the_record_is_read_before_anybody_is_asked(controller: Controller, around: Surroundings) -> None:
    controller.pass_once()
    assert around.asked[0] == "read"
    assert around.asked[-2:] == ["decide", "answer"]
    assert set(around.asked[1:-2]) == {"wanted", "look at members", "look at backup", "look at Kubernetes"}


def test_what_was_decided_is_written_before_it_is_done_and_told(
    controller: Controller, deciding: Deciding, around: Surroundings, asking: Asking
) -> None:
    asked = asking.ask(REPORT)
    action = AddEntry(1, learner=True)
    deciding.decision = Decision("resize", "etcd-1 is added", LATER, (action,), {1: New(1, 1)})
    controller.pass_once()
    assert around.asked[-4:] == ["decide", "write", action, "answer"]
    assert around.record == LATER
    assert asked.result(10) == New(1, 1)
    assert controller.decided.decision == deciding.decision


def test_where_somebody_else_wrote_meanwhile_nothing_is_done_or_told(
    controller: Controller, deciding: Deciding, around: Surroundings, asking: Asking
) -> None:
    asking.ask(REPORT)
    deciding.decision = Decision("resize", "etcd-1 is added", LATER, (AddEntry(1, learner=True),), {1: New(1, 1)})
    around.changed_meanwhile = True
    controller.pass_once()
    assert around.asked[-1] == "write"
    assert asking.hearing.waiting() == [1]
    assert controller.decided.decision is None


def test_what_changes_nothing_is_not_written(controller: Controller, deciding: Deciding, around: Surroundings) -> None:
    deciding.decision = replace(SAYS_NOTHING_NEW, actions=(ScalePods(3, "1"),))
    controller.pass_once()
    assert around.version == 1
    assert ScalePods(3, "1") in around.asked


# Who does not answer.


@pytest.mark.parametrize("silent", ["read", "wanted", "look at Kubernetes", "write"])
def test_while_kubernetes_does_not_answer_nothing_is_done_or_told(
    controller: Controller, deciding: Deciding, around: Surroundings, asking: Asking, silent: str
) -> None:
    asked = asking.ask(REPORT)
    action = DeletePod(1, "pod-1")
    deciding.decision = Decision("replace_members", "etcd-1 is replaced", LATER, (action,), {1: New(1, 1)})
    around.fails = {silent}
    for _ in range(2):
        with pytest.raises(UnavailableError, match=silent):
            controller.pass_once()
    assert action not in around.asked
    assert asking.hearing.waiting() == [1]
    around.fails = set()
    controller.pass_once()
    assert action in around.asked
    assert asked.result(10) == New(1, 1)


def test_one_action_that_fails_keeps_back_neither_the_others_nor_the_answers(
    controller: Controller, deciding: Deciding, around: Surroundings, asking: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    asked = asking.ask(REPORT)
    failing = (DeletePod(1, "pod-1"), MakeFile("chain", 2))
    actions = (*failing, DeleteClaim(1, "claim-1"), ScalePods(3, "1"), AddEntry(1, learner=True))
    deciding.decision = replace(SAYS_NOTHING_NEW, actions=actions, answers={1: Wait("why")})
    around.fails = set(failing)
    controller.pass_once()
    assert tuple(around.asked[-6:]) == (*actions, "answer")
    assert asked.result(10) == Wait("why")
    assert caplog.text.count("no answer to") == 2


def test_without_a_backup_no_file_is_made(around: Surroundings, hearing: NotedHearing, deciding: Deciding) -> None:
    controller = Controller("me", FakeKubernetes(around), FakeMembers(around), None, hearing, Metrics())
    deciding.decision = replace(SAYS_NOTHING_NEW, actions=(MakeFile("chain", 2),))
    controller.pass_once()
    assert "look at backup" not in around.asked
    assert not deciding.facts[-1].has_backup


def test_it_goes_on_and_says_once_why_it_cant_decide(
    controller: Controller,
    deciding: Deciding,
    around: Surroundings,
    monkeypatch: pytest.MonkeyPatch,
    hearing: NotedHearing,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stopping, troubles = threading.Event(), []
    faults: list[Exception | None] = [UnavailableError("no API server"), UnavailableError("no API server")]
    faults += [RecordError("key 'cluster'"), None]

    def pass_once() -> None:
        fault = faults.pop(0)
        if fault is not None:
            raise fault
        Controller.pass_once(controller)

    def wait(_: float) -> None:
        troubles.append(controller.decided.trouble)
        if not faults:
            stopping.set()

    monkeypatch.setattr(controller, "pass_once", pass_once)
    monkeypatch.setattr(hearing, "wait", wait)
    controller.run(stopping)
    unavailable, unreadable = "nothing is decided: no API server", "nothing is decided: key 'cluster'"
    assert troubles == [unavailable, unavailable, unreadable, ""]
    assert [record.getMessage() for record in caplog.records] == [unavailable, unreadable]
    assert around.asked[-1] == "answer"
    assert len(deciding.facts) == 1


# The facts.


def test_what_was_heard_and_seen_is_what_is_decided_on(
    controller: Controller, deciding: Deciding, around: Surroundings, backup: FakeBackup, asking: Asking, clock: Clock
) -> None:
    around.says = replace(run(0, 2, at=clock.now), quorum=quorum_of({0: True, 2: True}, at=clock.now))
    around.objects = replace(THREE_PODS, rolling=True)
    backup.says = Backup(clock.now, epoch=7)
    asking.ask(REPORT)
    facts = facts_of(controller, deciding)
    assert (facts.now, facts.wanted, facts.scale, facts.rolling) == (clock.now, 3, THREE_PODS.scale, True)
    assert facts.reports() == [REPORT]
    assert (facts.running(0), facts.running(1)) == (Running(CLUSTER, entry(0), clock.now), None)
    assert (facts.seen(1).pod, facts.seen(1).claim) == ("pod-1", THREE_PODS.claims[1])
    assert (facts.quorum, facts.backup) == (around.says.quorum, backup.says)
    assert facts.last_quorum == clock.now


def test_only_the_pod_that_there_is_is_believed(
    controller: Controller, deciding: Deciding, around: Surroundings, asking: Asking
) -> None:
    asking.ask(REPORT)
    around.objects = replace(THREE_PODS, pods={1: "pod-1-anew"})
    facts = facts_of(controller, deciding)
    assert facts.reports() == []
    around.objects = Objects({}, {}, None)
    assert facts_of(controller, deciding).reports() == []


def test_what_is_newer_counts_what_it_asked_or_that_it_runs(
    controller: Controller, deciding: Deciding, around: Surroundings, asking: Asking, clock: Clock
) -> None:
    around.says = run(1, at=clock.now)
    clock.pass_by(1)
    asking.ask(REPORT)
    facts = facts_of(controller, deciding)
    assert (facts.report(1), facts.running(1)) == (REPORT, None)
    deciding.decision = replace(SAYS_NOTHING_NEW, answers={1: Wait("why")})
    controller.pass_once()
    clock.pass_by(1)
    around.says = run(1, at=clock.now)
    facts = facts_of(controller, deciding)
    assert (facts.report(1), facts.running(1)) == (None, around.says.running[1])


def test_more_are_looked_for_than_are_wanted(
    controller: Controller, deciding: Deciding, around: Surroundings, asking: Asking
) -> None:
    around.objects = replace(THREE_PODS, pods={number: f"pod-{number}" for number in range(9)})
    assert max(facts_of(controller, deciding).members) == 2
    around.record = replace(LATER, cluster=replace(counting(), past=(Past(4, 1),)))
    assert max(facts_of(controller, deciding).members) == 4
    asking.ask(Report(6, "pod-6", None))
    assert facts_of(controller, deciding).reports() == [Report(6, "pod-6", None)]
    around.record = replace(LATER, cluster=replace(counting(), past=(Past(1_000_000_000, 1),)))
    assert max(facts_of(controller, deciding).members) == MOST_MEMBERS - 1


def test_silence_is_counted_from_the_last_sign(
    controller: Controller, deciding: Deciding, around: Surroundings, asking: Asking, clock: Clock
) -> None:
    began = clock.now
    clock.pass_by(3)
    asking.ask(REPORT)
    around.says = run(2, at=clock.now)
    controller.pass_once()
    clock.pass_by(4)
    around.says = NOBODY
    deciding.decision = replace(SAYS_NOTHING_NEW, answers={1: Wait("why")})
    controller.pass_once()
    clock.pass_by(5)
    facts = facts_of(controller, deciding)
    # The first was never seen, the second has just been told to wait, the third does not run any more.
    assert [facts.seen(member).silent_since for member in range(3)] == [began, began + 7, began + 3]


def test_who_was_out_of_sight_may_have_counted_unseen(
    controller: Controller, deciding: Deciding, around: Surroundings, clock: Clock
) -> None:
    with_quorum = replace(run(0, 1, 2, at=clock.now), quorum=quorum_of({0: True}, at=clock.now))
    around.says = with_quorum
    assert facts_of(controller, deciding).watched
    around.says = run(0, 1, at=clock.now)
    clock.pass_by(5)
    assert facts_of(controller, deciding).watched
    around.says = run(0, 1, 2, at=clock.now)
    clock.pass_by(1)
    facts = facts_of(controller, deciding)
    assert not facts.watched
    assert facts.last_quorum == clock.now - 6
    around.says = with_quorum
    assert facts_of(controller, deciding).watched


# What it says.


def test_each_decision_and_action_is_said_once(
    controller: Controller, deciding: Deciding, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    deciding.decision = replace(SAYS_NOTHING_NEW, actions=(ScalePods(3, "1"),))
    for _ in range(3):
        controller.pass_once()
    assert [record.getMessage() for record in caplog.records] == ["all is well", "ScalePods(replicas=3, version='1')"]


@pytest.mark.usefixtures("deciding")
def test_that_etcd_ended_is_said_once_for_each_pod(
    controller: Controller, around: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    around.objects = replace(THREE_PODS, ended={1: "OOMKilled"})
    for _ in range(2):
        controller.pass_once()
    around.objects = replace(around.objects, pods={1: "pod-1-anew"})
    controller.pass_once()
    said = [record.getMessage() for record in caplog.records if "ended by itself" in record.getMessage()]
    assert said == ["etcd-1 ended by itself, says Kubernetes: OOMKilled"] * 2


# With the real decisions.


def test_three_new_members_are_had_to_make_their_folders_and_start(
    controller: Controller, around: Surroundings, backup: FakeBackup, asking: Asking, clock: Clock
) -> None:
    backup.says = Backup(clock.now)
    asked = [asking.ask(Report(member, f"pod-{member}", None)) for member in range(3)]
    for _ in range(3):
        controller.pass_once()
    assert [one.result(10) for one in asked] == [New(1, 1)] * 3
    folders = [Folder(Marker(1, 1, State.MADE, f"folder-{member}"), log=False) for member in range(3)]
    asked = [asking.ask(Report(member, f"pod-{member}", folders[member])) for member in range(3)]
    controller.pass_once()
    assert around.record.cluster is not None
    token = around.record.cluster.epoch.token
    assert token != ""
    assert [one.result(10) for one in asked] == [Start(1, 1, token, (0, 1, 2), 0)] * 3
    assert [voter.folder for voter in around.record.cluster.voters] == ["folder-0", "folder-1", "folder-2"]
