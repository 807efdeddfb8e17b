"""What members and the controller say to one another is understood as it was meant, or not at all."""

import json
from typing import Any

import pytest

from member.marker import Marker, State
from member.messages import MessageError, answer_from_json, answer_to_json, report_from_json, report_to_json
from member.starting import Answer, File, Folder, Hold, Join, New, Report, Restore, Save, Start, Wait

# As large as etcd's own IDs.
ENTRY = (1 << 64) - 1

FILE = File("sha", 2, "member 1", 1, 100)
FOLDER = Folder(Marker(1, 2, State.HELD, "one", "request-1"), log=True)
REPORT = Report(1, "pod-1", FOLDER, FILE, "it is broken", 3, full=True)
START = Start(2, 3, "token", (0, 1, 2), ENTRY, has_log=True)

NOTHING: list[object] = [None, 1, True, "text", [], [1], {}]


def sent(content: object) -> Any:  # noqa: ANN401  # it is JSON
    return json.loads(json.dumps(content))


@pytest.mark.parametrize(
    "answer",
    [
        START,
        Start(1, 1, "", (), 0),
        New(2, 3),
        Join(2, 3),
        Restore(2, 3, "token", (0, 1, 2), FILE, 1_000_000_000),
        Hold("request-1", 2, 3),
        Save(3, "a new epoch is to begin"),
        Wait("its turn comes"),
    ],
)
def test_every_answer_comes_back_as_it_was(answer: Answer) -> None:
    assert answer_from_json(sent(answer_to_json(answer))) == answer


@pytest.mark.parametrize(
    "report",
    [
        REPORT,
        Report(0, "pod-0", None),
        Report(0, "pod-0", Folder(None, log=True)),
        *(Report(0, "pod-0", Folder(Marker(1, 1, state, "one"), log=False)) for state in State),
    ],
)
def test_every_report_comes_back_as_it_was(report: Report) -> None:
    assert report_from_json(sent(report_to_json(report))) == report


@pytest.mark.parametrize("content", [*NOTHING, {"answer": None}, {"answer": []}, {"answer": "dance"}])
def test_what_is_no_answer_is_refused(content: object) -> None:
    with pytest.raises(MessageError):
        answer_from_json(content)


@pytest.mark.parametrize("content", NOTHING)
def test_what_is_no_report_is_refused(content: object) -> None:
    with pytest.raises(MessageError):
        report_from_json(content)


@pytest.mark.parametrize("key", report_to_json(REPORT))
def test_a_report_has_all_its_parts(key: str) -> None:
    content = {name: value for name, value in sent(report_to_json(REPORT)).items() if name != key}
    with pytest.raises(MessageError, match=key):
        report_from_json(content)


@pytest.mark.parametrize("key", [key for key in answer_to_json(START) if key != "answer"])
def test_an_answer_has_all_its_parts(key: str) -> None:
    content = {name: value for name, value in sent(answer_to_json(START)).items() if name != key}
    with pytest.raises(MessageError, match=key):
        answer_from_json(content)


@pytest.mark.parametrize(
    "others",
    [
        {"member": "1"},
        {"member": True},
        {"member": 1.0},
        {"pod": None},
        {"crashes": "3"},
        {"full": 0},
        {"folder": []},
        {"folder": {"log": 1, "marker": None}},
        {"folder": {"log": True, "marker": "{}"}},
        {"folder": {"log": True, "marker": {}}},
        {"file": {"sha256": "sha"}},
    ],
)
def test_a_report_with_a_value_of_another_type_is_refused(others: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        report_from_json(sent(report_to_json(REPORT)) | others)


@pytest.mark.parametrize(
    "others", [{"epoch": "2"}, {"life": None}, {"members": 3}, {"members": ["0"]}, {"entry": 1.5}, {"has_log": "no"}]
)
def test_an_answer_with_a_value_of_another_type_is_refused(others: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        answer_from_json(sent(answer_to_json(START)) | others)
