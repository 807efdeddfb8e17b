import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from controller import hearing as hearing_module
from controller.facts import Heard
from controller.hearing import Hearing
from member.starting import Answer, Hold, Join, New, Report, Save, Start, Wait
from tests.app.conftest import Clock
from tests.app.controller import asking as asking_module
from tests.app.controller.asking import Asking

FIRST = Report(0, "pod-0", None)
SECOND = Report(1, "pod-1", None)
START = Start(1, 1, "token", (0, 1, 2), 0)


@pytest.fixture
def hearing() -> Hearing:
    return Hearing()


@pytest.fixture
def asking(hearing: Hearing) -> Iterator[Asking]:
    with asking_module.asking(hearing) as asking:
        yield asking


@pytest.fixture
def clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(hearing_module, "time", SimpleNamespace(time=clock))
    return clock


def test_each_gets_the_answer_to_its_own_report(hearing: Hearing, asking: Asking) -> None:
    first, second = asking.ask(FIRST), asking.ask(SECOND)
    assert sorted(hearing.waiting()) == [0, 1]
    hearing.answer({0: START, 1: Wait("why")}, hearing.heard())
    assert (first.result(10), second.result(10)) == (START, Wait("why"))
    assert hearing.waiting() == []


def test_who_is_not_answered_waits_on(hearing: Hearing, asking: Asking) -> None:
    first = asking.ask(FIRST)
    asking.ask(SECOND)
    hearing.answer({0: START}, hearing.heard())
    assert first.result(10) == START
    assert hearing.waiting() == [1]


def test_only_a_report_that_was_decided_on_is_answered(hearing: Hearing, asking: Asking) -> None:
    asking.ask(FIRST)
    decided_on = hearing.heard()
    # It says the same, but may have done something in between.
    newer = asking.ask(Report(0, "pod-0", None))
    hearing.answer({0: START}, decided_on)
    assert hearing.waiting() == [0]
    hearing.answer({0: START}, {})
    assert hearing.waiting() == [0]
    hearing.answer({0: START}, hearing.heard())
    assert newer.result(10) == START


def test_a_newer_report_ends_the_wait_for_the_one_before(hearing: Hearing, asking: Asking) -> None:
    former = asking.ask(FIRST)
    asking.ask(Report(0, "pod-0", None, crashes=1))
    assert former.result(10) is None
    assert hearing.waiting() == [0]


@pytest.mark.parametrize("answer", [START, New(1, 1), Join(1, 1), Hold("request-1", 1, 1)])
def test_what_an_answer_may_change_is_known_no_more(hearing: Hearing, asking: Asking, answer: Answer) -> None:
    asking.ask(FIRST)
    hearing.answer({0: answer}, hearing.heard())
    assert hearing.heard() == {}


@pytest.mark.parametrize("answer", [Wait("why"), Save(2, "why")])
def test_who_is_told_to_wait_has_said_so_at_its_last_word(
    hearing: Hearing, asking: Asking, clock: Clock, answer: Answer
) -> None:
    asking.ask(FIRST)
    clock.pass_by(3)
    assert hearing.heard() == {0: Heard(FIRST, clock.now)}  # it still waits, and so it still says so
    then = clock.now
    hearing.answer({0: answer}, hearing.heard())
    clock.pass_by(3)
    assert hearing.heard() == {0: Heard(FIRST, then)}


def test_a_new_controller_forgets_all_and_is_asked_anew(hearing: Hearing, asking: Asking) -> None:
    first = asking.ask(FIRST)
    hearing.forget()
    assert first.result(10) is None
    assert (hearing.heard(), hearing.waiting()) == ({}, [])


def test_nobody_waits_for_ever(hearing: Hearing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing_module, "_LONGEST_WAIT", 0.02)
    assert hearing.ask(FIRST) is None
    assert hearing.waiting() == []
    assert hearing.heard()[0].report == FIRST


def test_a_question_ends_the_pause_between_two_passes(hearing: Hearing, asking: Asking) -> None:
    started = time.monotonic()
    waiting = threading.Thread(target=hearing.wait, args=(60.0,))
    waiting.start()
    asking.ask(FIRST)
    waiting.join(10)
    assert not waiting.is_alive()
    assert time.monotonic() - started < 10


def test_without_one_the_pause_is_kept(hearing: Hearing, asking: Asking) -> None:
    asking.ask(FIRST)
    hearing.wait(60.0)
    started = time.monotonic()
    hearing.wait(0.02)  # nobody has asked since
    assert time.monotonic() - started >= 0.02
