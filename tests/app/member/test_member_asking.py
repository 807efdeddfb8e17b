import json

import pytest

from member import asking
from member.asking import NoAnswerError
from member.marker import Marker, State
from member.messages import answer_to_json, report_from_json
from member.starting import Folder, Join, Report
from tests.app.member.answering import Answer, Answering

REPORT = Report(2, "pod-2", Folder(Marker(1, 3, State.STARTED, "one"), log=True), crashes=4)
JOIN = Answer(json.dumps(answer_to_json(Join(2, 3))).encode())


def test_who_reports_is_told_what_to_do(server: Answering) -> None:
    server.answers["POST /members/2"] = JOIN
    assert asking.ask(server.url, REPORT, timeout=5) == Join(2, 3)
    [body] = server.bodies
    assert report_from_json(json.loads(body)) == REPORT


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(b'{"title": "Service Unavailable"}', 503), "503"),
        (Answer(b"<html>"), "no answer from .*/members/2: "),
        (Answer(b"[]"), "no answer from .*/members/2: "),
        (Answer(b'{"answer": "dance"}'), "there is no answer 'dance'"),
        (Answer(JOIN.body[:-1], announced=len(JOIN.body)), "no answer from .*/members/2: "),
        (Answer(JOIN.body[:-1] + b" " * (1 << 20) + b"}"), "no answer from .*/members/2: "),
    ],
)
def test_an_answer_of_no_use_is_none(server: Answering, answer: Answer, fault: str) -> None:
    server.answers["POST /members/2"] = answer
    with pytest.raises(NoAnswerError, match=fault):
        asking.ask(server.url, REPORT, timeout=5)


def test_nobody_answers(unused_port: int) -> None:
    with pytest.raises(NoAnswerError, match="refused"):
        asking.ask(f"http://127.0.0.1:{unused_port}", REPORT, timeout=5)


def test_a_silent_controller_is_given_up(silent: str) -> None:
    with pytest.raises(NoAnswerError, match="timed out"):
        asking.ask(silent, REPORT, timeout=0.05)
