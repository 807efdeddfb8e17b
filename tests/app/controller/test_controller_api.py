import json
from dataclasses import replace
from typing import Any

import pytest
from falcon.testing import TestClient

from controller.api import create_app
from controller.decision import Decided, Decision
from controller.hearing import Hearing
from controller.metrics import Metrics
from member.addresses import MOST_MEMBERS
from member.messages import answer_from_json, report_to_json
from member.starting import Answer, Report, Start

REPORT = Report(1, "pod-1", None)
START = Start(1, 1, "token", (0, 1, 2), 0)


class Answering(Hearing):
    """Gives one answer at once, and keeps what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[Report] = []
        self.says: Answer | None = START

    def ask(self, report: Report) -> Answer | None:
        self.reports.append(report)
        return self.says


@pytest.fixture
def hearing() -> Answering:
    return Answering()


@pytest.fixture
def decided() -> Decided:
    return Decided()


@pytest.fixture
def client(hearing: Answering, decided: Decided) -> TestClient:
    return TestClient(create_app(hearing, decided, Metrics()))


def ask(client: TestClient, member: str, body: object) -> Any:  # noqa: ANN401  # falcon has no type for it
    return client.simulate_post(f"/members/{member}", body=body if isinstance(body, bytes) else json.dumps(body))


def test_a_member_that_asks_is_answered(client: TestClient, hearing: Answering) -> None:
    result = ask(client, "1", report_to_json(REPORT))
    assert result.status_code == 200
    assert answer_from_json(result.json) == START
    assert result.headers["cache-control"] == "no-store"
    assert hearing.reports == [REPORT]


def test_without_a_decision_it_asks_again(client: TestClient, hearing: Answering) -> None:
    hearing.says = None
    result = ask(client, "1", report_to_json(REPORT))
    assert (result.status_code, result.headers["retry-after"]) == (503, "1")
    assert "ask again" in result.json["description"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", [], {}, {**report_to_json(REPORT), "crashes": "x" * 1000}, b" " * (1 << 17) + b"{}"]
)
def test_what_is_no_report_is_a_400(client: TestClient, hearing: Answering, body: object) -> None:
    result = ask(client, "1", body)
    assert result.status_code == 400
    assert result.json["description"].startswith("The body is no report: ")
    assert len(result.json["description"]) < 200
    assert hearing.reports == []


def test_a_member_speaks_for_itself_only(client: TestClient, hearing: Answering) -> None:
    result = ask(client, "2", report_to_json(REPORT))
    assert (result.status_code, result.json["description"]) == (400, "The report is member 1's, but must be 2's.")
    assert hearing.reports == []


@pytest.mark.parametrize("member", [MOST_MEMBERS, 1_000_000_000])
def test_there_are_not_so_many_members(client: TestClient, hearing: Answering, member: int) -> None:
    result = ask(client, str(member), report_to_json(replace(REPORT, member=member)))
    assert result.status_code == 404
    assert "they are 0 to 6" in result.json["description"]
    assert hearing.reports == []


def test_no_member_is_below_zero(client: TestClient, hearing: Answering) -> None:
    assert ask(client, "-1", report_to_json(replace(REPORT, member=-1))).status_code == 404
    assert hearing.reports == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/members/1", 405), ("POST", "/members/x", 404), ("GET", "/", 404), ("POST", "/healthz", 405)],
)
def test_nothing_else_is_answered(client: TestClient, method: str, path: str, status: int) -> None:
    result = client.simulate_request(method, path)
    assert result.status_code == status
    assert "only" in result.json["description"]


def test_people_and_prometheus_see_how_things_are(client: TestClient) -> None:
    assert client.simulate_get("/healthz").json == {"status": "ok"}
    assert "controller_has_quorum 0.0" in client.simulate_get("/metrics").text


def test_people_see_what_was_decided_last(client: TestClient, decided: Decided) -> None:
    assert client.simulate_get("/decision").json == {"row": "", "says": "nothing is decided yet"}
    decided.decision = Decision("all_well", "all is well")
    assert client.simulate_get("/decision").json == {"row": "all_well", "says": "all is well"}
    decided.trouble = "nothing is decided: Kubernetes does not answer"
    assert client.simulate_get("/decision").json["says"] == "nothing is decided: Kubernetes does not answer"


def test_a_fault_of_the_program_is_a_500(
    client: TestClient, hearing: Answering, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Report) -> None:
        raise RuntimeError("by mistake")

    monkeypatch.setattr(hearing, "ask", fail)
    result = ask(client, "1", report_to_json(REPORT))
    assert result.status_code == 500
    assert "by mistake" not in result.text
    assert "by mistake" in caplog.text
