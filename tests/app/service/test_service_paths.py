import falcon
import pytest
from falcon.testing import TestClient

from service.paths import EveryPath, either, no_such_path, unexpected


class Both:
    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        response.text = "got"

    def on_put(self, _request: falcon.Request, _response: falcon.Response) -> None:
        raise RuntimeError("secret")


@pytest.fixture
def client() -> TestClient:
    app = falcon.App(middleware=[EveryPath()])
    app.add_route("/both", Both())
    app.add_error_handler(falcon.HTTPRouteNotFound, no_such_path(["/both"]))
    app.add_error_handler(Exception, unexpected)
    return TestClient(app)


def test_no_answer_is_of_use_twice(client: TestClient) -> None:
    assert client.simulate_get("/both").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "HEAD"])
def test_a_method_that_a_resource_does_not_have(client: TestClient, method: str) -> None:
    result = client.simulate_request(method, "/both")
    assert (result.status_code, result.headers["Allow"]) == (405, "GET, PUT")


def test_the_methods_that_there_are_are_named(client: TestClient) -> None:
    told = client.simulate_post("/both").json["description"]
    assert told == "/both can't be asked with POST, only with GET or PUT."


def test_a_path_that_there_is_not_is_told_in_short(client: TestClient) -> None:
    result = client.simulate_get("/" + "x" * 100)
    assert result.status_code == 404
    assert result.json["description"] == f"There is no /{'x' * 79} here, only /both."


def test_what_nobody_expected_stands_in_the_log_alone(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    result = client.simulate_put("/both")
    assert result.status_code == 500
    assert "secret" not in result.text
    assert "RuntimeError: secret" in caplog.text


@pytest.mark.parametrize(("words", "told"), [(["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")])
def test_a_choice(words: list[str], told: str) -> None:
    assert either(words) == told
