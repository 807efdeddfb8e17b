from urllib.error import HTTPError
from urllib.request import Request

import pytest

from member import web
from tests.app.member.answering import Answer, Answering


def test_an_answer(server: Answering) -> None:
    server.answers["POST /a"] = Answer(b"text", 201)
    with web.send(Request(f"{server.url}/a", method="POST"), timeout=5) as response:
        assert (response.status, response.read()) == (201, b"text")


@pytest.mark.parametrize("status", [302, 404, 503])
def test_a_fault_is_raised(server: Answering, status: int) -> None:
    server.answers["GET /a"] = Answer(b"text", status)
    with pytest.raises(HTTPError) as caught, web.send(Request(f"{server.url}/a"), timeout=5):
        pass
    with caught.value as error:
        assert (error.code, error.read()) == (status, b"text")


def test_a_proxy_is_for_other_traffic(server: Answering, unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port}")
    server.answers["GET /a"] = Answer()
    with web.send(Request(f"{server.url}/a"), timeout=5) as response:
        assert response.status == 200
