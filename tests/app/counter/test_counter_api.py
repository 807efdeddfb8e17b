import logging
import threading
from concurrent.futures import Future
from dataclasses import replace

import pytest
from falcon.testing import TestClient

from counter.api import Dependencies, create_app
from counter.replica import Replica
from counter.requests import Fate, Outcome
from tests.app.counter.in_memory_etcd import InMemoryEtcd

PATHS = ["/fetch", "/healthz", "/increment", "/metrics", "/static", "/version"]
POD = {"node": "node-1", "pod": "pod-1"}


def answer(content: str, **more: str) -> dict[str, str]:
    return {"content": content, "message": "Status OK", **more}


def test_static_needs_no_etcd(client: TestClient, store: InMemoryEtcd) -> None:
    store.away = True
    result = client.simulate_get("/static")
    assert result.status_code == 200
    assert result.json == answer("meaning of life = 42", **POD)


def test_healthz_tells_how_many_members_etcd_has(client: TestClient, store: InMemoryEtcd) -> None:
    store.members = 4
    assert client.simulate_get("/healthz").json == answer("etcd members = 4", **POD)


def test_increment_answers_content_and_message_only(client: TestClient) -> None:
    assert client.simulate_get("/increment").json == answer("count value = 1")
    assert client.simulate_get("/increment").json == answer("count value = 2")


@pytest.mark.parametrize("path", ["/increment", "/fetch"])
def test_a_count_says_which_epoch_it_is_of(client: TestClient, path: str) -> None:
    assert client.simulate_get(path).headers["x-count-epoch"] == "3"


def test_an_epoch_that_is_not_known_is_not_told(dependencies: Dependencies) -> None:
    client = TestClient(create_app(replace(dependencies, epoch=lambda: None)))
    assert "x-count-epoch" not in client.simulate_get("/fetch").headers


def test_version_tells_what_runs(client: TestClient) -> None:
    assert client.simulate_get("/version").json == answer("version = abc", version="abc", **POD)


def test_metrics_tell_what_clients_were_told(client: TestClient) -> None:
    client.simulate_get("/increment")
    result = client.simulate_get("/metrics")
    assert result.headers["content-type"].startswith("text/plain; version=")
    assert 'counter_increments_total{outcome="counted"} 1.0' in result.text


def test_fetch_does_not_count(client: TestClient) -> None:
    client.simulate_get("/increment")
    assert client.simulate_get("/fetch").json == answer("count value = 1", **POD)
    assert client.simulate_get("/fetch").json == answer("count value = 1", **POD)


def test_fetch_is_zero_before_the_first_increment(client: TestClient) -> None:
    assert client.simulate_get("/fetch").json == answer("count value = 0", **POD)


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/metrics"])
def test_answers_are_json(client: TestClient, path: str) -> None:
    result = client.simulate_get(path)
    assert (result.status_code, result.headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize("path", ["/fetch", "/healthz", "/increment"])
def test_etcd_away_is_a_503_that_says_when_to_come_back(client: TestClient, store: InMemoryEtcd, path: str) -> None:
    store.away = True
    result = client.simulate_get(path)
    assert (result.status_code, result.headers["content-type"]) == (503, "application/json")
    assert result.headers["retry-after"] == "1"
    assert list(result.json) == ["message"]
    assert "etcd" in result.json["message"]
    assert "192.0.2.1" not in result.text, "clients learn nothing of the inside"


def test_an_unconfirmed_increment_is_not_called_uncounted(client: TestClient, store: InMemoryEtcd) -> None:
    store.loses_replies = True
    assert "may or may not have been counted" in client.simulate_get("/increment").json["message"]


def test_a_count_that_cannot_be_read_is_a_503(
    client: TestClient, store: InMemoryEtcd, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(b"c/other", b"secret")
    result = client.simulate_get("/fetch")
    assert (result.status_code, result.headers["retry-after"]) == (503, "1")
    assert "c/other" not in result.text
    assert "c/other" in caplog.text


def test_a_key_counts_once(client: TestClient) -> None:
    first = client.simulate_get("/increment", headers={"Idempotency-Key": "a"})
    client.simulate_get("/increment")
    again = client.simulate_get("/increment", headers={"Idempotency-Key": "a"})
    assert first.json == again.json == answer("count value = 1")


@pytest.mark.parametrize("key", ["", " ", "a b", "a/b", "x" * 65, "ä"])
def test_a_malformed_key_is_a_400_that_says_what_is_right(client: TestClient, replica: Replica, key: str) -> None:
    result = client.simulate_get("/increment", headers={"Idempotency-Key": key})
    assert (result.status_code, result.headers["content-type"]) == (400, "application/json")
    assert "1 to 64 letters" in result.json["message"]
    assert replica.fetch().result() == 0


def test_a_keyed_value_that_nobody_knows_is_a_409(client: TestClient, store: InMemoryEtcd) -> None:
    store.put(b"i/a", b"one 7 0 1")
    store.put(b"r/one/7", b"?")
    result = client.simulate_get("/increment", headers={"Idempotency-Key": "a"})
    assert result.status_code == 409
    assert "was counted" in result.json["message"]


@pytest.mark.parametrize(
    ("fate", "status", "words"),
    [
        (Fate.NOT_COUNTED, 503, "not counted"),
        (Fate.UNKNOWN, 503, "unknown: repeat with the same Idempotency-Key"),
        (Fate.NO_ROOM, 429, "not taken"),
    ],
)
def test_an_increment_without_a_value_says_what_is_known(
    client: TestClient, replica: Replica, monkeypatch: pytest.MonkeyPatch, fate: Fate, status: int, words: str
) -> None:
    def increment(_key: str | None) -> Future[Outcome]:
        outcome: Future[Outcome] = Future()
        outcome.set_result(fate)
        return outcome

    monkeypatch.setattr(replica, "increment", increment)
    result = client.simulate_get("/increment")
    assert (result.status_code, result.headers["retry-after"]) == (status, "1")
    assert words in result.json["message"]


def test_etcd_back_is_a_200_again(client: TestClient, store: InMemoryEtcd) -> None:
    store.away = True
    assert client.simulate_get("/increment").status_code == 503
    store.away = False
    assert client.simulate_get("/increment").status_code == 200


def test_an_unknown_path_is_a_404_that_names_the_paths(client: TestClient) -> None:
    result = client.simulate_get("/nothing")
    assert (result.status_code, result.headers["content-type"]) == (404, "application/json")
    assert all(path in result.json["message"] for path in ["/nothing", *PATHS])


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", f"/{'n' * 10_000}", {}),
        ("B" * 10_000, "/static", {}),
        ("GET", "/increment", {"Idempotency-Key": "k" * 10_000}),
    ],
)
@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")  # from wsgiref's validator
def test_an_answer_does_not_repeat_all_that_was_sent(
    client: TestClient, method: str, path: str, headers: dict[str, str]
) -> None:
    result = client.simulate_request(method, path, headers=headers)
    assert 400 <= result.status_code < 500
    assert len(result.json["message"]) < 300


def test_an_increment_may_be_posted(client: TestClient) -> None:
    assert client.simulate_post("/increment").json == answer("count value = 1")
    assert client.simulate_post("/increment", body=b"ignored").json == answer("count value = 2")


@pytest.mark.parametrize("header", ["Purpose", "Sec-Purpose"])
def test_an_increment_in_advance_is_refused(client: TestClient, replica: Replica, header: str) -> None:
    result = client.simulate_get("/increment", headers={header: "prefetch"})
    assert (result.status_code, result.headers["content-type"]) == (403, "application/json")
    assert replica.fetch().result() == 0


@pytest.mark.parametrize("path", [*PATHS, "/nothing"])
def test_no_answer_is_to_be_kept(client: TestClient, path: str) -> None:
    assert client.simulate_get(path).headers["cache-control"] == "no-store"


def test_a_replica_that_stops_is_not_ready_but_serves(client: TestClient, stopping: threading.Event) -> None:
    stopping.set()
    result = client.simulate_get("/healthz")
    assert (result.status_code, result.headers["content-type"]) == (503, "application/json")
    assert "stop" in result.json["message"]
    assert client.simulate_get("/increment").status_code == 200


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")  # from wsgiref's validator, of BREW
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", PATHS)
def test_every_other_method_is_a_405_and_does_nothing(
    client: TestClient, replica: Replica, path: str, method: str
) -> None:
    if (path, method) == ("/increment", "POST"):
        return
    result = client.simulate_request(method, path)
    assert (result.status_code, result.headers["allow"]) == (405, "GET, POST" if path == "/increment" else "GET")
    assert replica.fetch().result() == 0
    if method != "HEAD":
        assert method in result.json["message"]


def test_an_unexpected_error_is_a_500_whose_reason_is_in_the_log_alone(
    client: TestClient, store: InMemoryEtcd, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_request: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(store, "read", fail)
    with caplog.at_level(logging.ERROR):
        result = client.simulate_get("/fetch")
    assert (result.status_code, result.headers["content-type"]) == (500, "application/json")
    assert list(result.json) == ["message"]
    assert "secret" not in result.text
    [record] = caplog.records
    assert "/fetch" in record.getMessage()
    assert record.exc_info is not None
    assert "a secret" in str(record.exc_info[1])
