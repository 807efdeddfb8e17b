import json
import logging
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from falcon.testing import StartResponseMock, create_environ
from prometheus_client import generate_latest

from counter.metrics import Metrics
from counter.observed import ObservedApp
from service.logs import JsonFormatter


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/broken":
        raise RuntimeError("for a reason")
    logging.getLogger("app").warning("at work")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"body"]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(["/static"], {})


@pytest.fixture
def observed(metrics: Metrics) -> ObservedApp:
    return ObservedApp(app, metrics)


def lines(log: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    """What the log has, line by line."""
    return [json.loads(line) for line in log.text.splitlines()]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(caplog.handler, "formatter", JsonFormatter("pod-1"))
    return caplog


def ask(observed: ObservedApp, path: str = "/static", request_id: str | None = None) -> tuple[WSGIEnvironment, str]:
    """Ask for a path. Returns the WSGI environment and the request ID of the answer."""
    environ = create_environ(path=path, headers={"X-Request-Id": request_id} if request_id else None)
    start_response = StartResponseMock()
    assert list(observed(environ, start_response)) == [b"body"]
    assert start_response.status == "200 OK"
    assert start_response.headers_dict["content-type"] == "text/plain"
    return environ, start_response.headers_dict["x-request-id"]


def test_the_clients_request_id_comes_back(observed: ObservedApp) -> None:
    assert ask(observed, request_id="order-17")[1] == "order-17"


def test_a_request_without_an_id_gets_one_of_its_own(observed: ObservedApp) -> None:
    ids = [ask(observed)[1] for _ in range(3)]
    assert all(ids)
    assert len(set(ids)) == 3


def test_a_request_id_that_cannot_be_used_does_not_come_back(observed: ObservedApp) -> None:
    assert " " not in ask(observed, request_id="two words")[1]


def test_lines_about_a_request_have_its_id_and_others_none(
    observed: ObservedApp, log: pytest.LogCaptureFixture
) -> None:
    ask(observed, request_id="order-17")
    logging.getLogger("app").warning("between requests")
    assert [(line["message"], line.get("request_id")) for line in lines(log)] == [
        ("at work", "order-17"),
        ("between requests", None),
    ]


def test_a_request_that_breaks_the_app_leaves_no_id_behind(
    observed: ObservedApp, log: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(RuntimeError):
        ask(observed, path="/broken")
    logging.getLogger("app").warning("between requests")
    assert "request_id" not in lines(log)[-1]


def test_an_answer_is_in_the_metrics(observed: ObservedApp, metrics: Metrics) -> None:
    environ, _ = ask(observed)
    observed.answered(environ, "200 OK", 0.25)
    exposition = generate_latest(metrics.registry).decode()
    assert 'counter_http_requests_total{code="200",route="/static"} 1.0\n' in exposition
    assert 'counter_http_request_duration_seconds_sum{route="/static"} 0.25\n' in exposition


def test_at_debug_an_answer_is_a_line_with_its_id(observed: ObservedApp, log: pytest.LogCaptureFixture) -> None:
    log.set_level(logging.DEBUG)
    environ, request_id = ask(observed)
    log.clear()
    observed.answered(environ, "503 Service Unavailable", 0.25)
    [line] = lines(log)
    assert (line["level"], line["message"], line["request_id"]) == ("debug", "GET /static 503 0.250000 s", request_id)


def test_at_info_an_answer_is_no_line(observed: ObservedApp, log: pytest.LogCaptureFixture) -> None:
    log.set_level(logging.INFO)
    environ, _ = ask(observed)
    log.clear()
    observed.answered(environ, "200 OK", 0.25)
    assert lines(log) == []
