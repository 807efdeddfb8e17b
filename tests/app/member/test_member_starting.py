"""What a member does before it is etcd."""

from dataclasses import replace

import pytest

from member.marker import Marker, MarkerError, State, from_text, to_text
from member.starting import (
    PATIENCE,
    Ask,
    Become,
    Confirm,
    File,
    Folder,
    Hold,
    Join,
    Make,
    Mark,
    New,
    Restore,
    Save,
    Start,
    Wait,
    alone,
    told,
)

STARTED = Marker(2, 3, State.STARTED, "one")
MADE = Marker(2, 3, State.MADE, "one")
HELD = Marker(2, 3, State.HELD, "one", "request")
START = Start(2, 3, "token", (0, 1, 2), 0)
FILE = File("sha", 2, "chain", 1, 100)


def test_a_marker_is_read_as_it_was_written() -> None:
    assert from_text(to_text(HELD)) == HELD


@pytest.mark.parametrize(
    "text", ["", "2", "{}", to_text(MADE).replace("made", "done"), to_text(MADE).replace("2", '"2"')]
)
def test_what_is_no_marker(text: str) -> None:
    with pytest.raises(MarkerError):
        from_text(text)


@pytest.mark.parametrize("marker", [STARTED, None])
def test_one_that_was_started_starts_when_nobody_answers(marker: Marker | None) -> None:
    assert alone(Folder(marker, log=True), PATIENCE - 0.1) == (Ask(),)
    assert alone(Folder(marker, log=True), PATIENCE) == (Become(None),)


@pytest.mark.parametrize(
    "folder",
    [None, Folder(STARTED, log=False), Folder(None, log=False), Folder(MADE, log=True), Folder(HELD, log=True)],
)
def test_nobody_else_does(folder: Folder | None) -> None:
    assert alone(folder, 1000) == (Ask(),)


def test_the_first_start_is_written_down_before_it_happens() -> None:
    assert told(Folder(MADE, log=False), START, "new") == (Mark(STARTED), Become(START))


def test_one_that_joins_asks_the_others_who_it_is() -> None:
    start = Start(2, 3, "token", (0, 1, 2), 77)
    assert told(Folder(MADE, log=False), start, "new") == (Confirm(77, start.members), Mark(STARTED), Become(start))
    assert told(Folder(STARTED, log=True), start, "new") == (Become(start),)


def test_one_on_hold_is_let_go() -> None:
    assert told(Folder(HELD, log=True), START, "new") == (Mark(STARTED), Become(START))


def test_a_folder_of_before_gets_a_marker() -> None:
    assert told(Folder(None, log=True), START, "new") == (Mark(Marker(2, 3, State.STARTED, "")), Become(START))


@pytest.mark.parametrize(
    "folder",
    [
        None,
        Folder(None, log=False),
        Folder(STARTED, log=False),
        Folder(HELD, log=False),
        Folder(Marker(2, 4, State.MADE, "one"), log=True),
        Folder(Marker(1, 3, State.STARTED, "one"), log=True),
    ],
)
def test_without_its_log_or_as_another_life_nothing_starts_whoever_says_so(folder: Folder | None) -> None:
    wait, ask = told(folder, START, "new")
    assert isinstance(wait, Wait)
    assert ask == Ask()


@pytest.mark.parametrize("answer", [New(2, 3), Join(2, 3), Restore(2, 3, "token", (0, 1, 2), FILE, 10)])
@pytest.mark.parametrize("folder", [None, Folder(None, log=True), Folder(Marker(1, 9, State.STARTED, "old"), log=True)])
def test_a_folder_is_made_and_asked_for(answer: New | Join | Restore, folder: Folder | None) -> None:
    assert told(folder, answer, "new") == (Make(answer, Marker(2, 3, State.MADE, "new")), Ask())


def test_a_restored_folder_without_its_log_would_begin_with_nothing() -> None:
    wait, ask = told(Folder(MADE, log=False), replace(START, has_log=True), "new")
    assert isinstance(wait, Wait)
    assert ask == Ask()


def test_a_life_that_never_started_may_be_made_again() -> None:
    assert told(Folder(MADE, log=False), Join(2, 3), "new") == (Make(Join(2, 3), replace(MADE, folder="new")), Ask())


@pytest.mark.parametrize("life", [3, 4])
def test_an_answer_that_came_late_makes_nothing(life: int) -> None:
    wait, ask = told(Folder(Marker(2, life, State.STARTED, "one"), log=True), Join(2, 3), "new")
    assert isinstance(wait, Wait)
    assert ask == Ask()


@pytest.mark.parametrize("marker", [STARTED, MADE, Marker(2, 3, State.HELD, "one", "another")])
def test_whatever_could_start_is_put_on_hold(marker: Marker) -> None:
    assert told(Folder(marker, log=True), Hold("request", 2, 3), "new") == (Mark(HELD), Ask())


def test_a_folder_of_before_is_put_on_hold() -> None:
    marked = Marker(2, 3, State.HELD, "new", "request")
    assert told(Folder(None, log=True), Hold("request", 2, 3), "new") == (Mark(marked), Ask())


def test_there_is_nothing_to_hold() -> None:
    assert told(None, Hold("request", 2, 3), "new") == (Ask(),)


def test_a_survivor_saves_and_waits() -> None:
    assert told(Folder(STARTED, log=True), Save(3, "why"), "new") == (Save(3, "why"), Ask())
