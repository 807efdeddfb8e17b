import io
import logging
import threading
from http.client import HTTPConnection, IncompleteRead
from typing import NoReturn

import pytest
from falcon.testing import TestClient

from backup.api import SLOW_AT_ONCE, create_app
from backup.errors import SnapshotError
from backup.metrics import Metrics
from backup.views import JobView
from tests.app.backup.fake_core import CONTENT, RESTORE_FILE, SNAPSHOT, BrokenFile, FakeCore


@pytest.fixture
def client(core: FakeCore) -> TestClient:
    return TestClient(create_app(core, Metrics()))


class ClosedFile(io.BytesIO):
    """Can tell how often it was closed."""

    closes = 0

    def close(self) -> None:
        self.closes += 1
        super().close()


def test_what_there_is(client: TestClient, core: FakeCore) -> None:
    result = client.simulate_get("/snapshots")
    assert (result.status_code, result.json) == (200, core.overview().to_json())
    assert result.headers["content-type"] == "application/json"
    assert result.headers["cache-control"] == "no-store"


def test_before_anything_is_known_it_is_not_said_that_there_is_nothing(
    client: TestClient, core: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overview() -> NoReturn:
        raise SnapshotError("the volume was not read yet")

    monkeypatch.setattr(core, "overview", overview)
    result = client.simulate_get("/snapshots")
    assert (result.status_code, result.json["description"]) == (503, "the volume was not read yet")
    assert client.simulate_get("/healthz").status_code == 200


@pytest.mark.parametrize(("query", "reason"), [("", "request"), ("reason=down", "down"), ("reason=stop", "stop")])
def test_a_snapshot_is_taken(client: TestClient, core: FakeCore, query: str, reason: str) -> None:
    result = client.simulate_post("/snapshots", query_string=query)
    assert result.status_code == 201
    assert (result.json["name"], result.json["reason"], result.json["proven"]) == ("snapshot-2", reason, "pending")
    assert core.taken == [reason]


@pytest.mark.parametrize("reason", ["", "schedule", "x" * 1000])
def test_a_reason_that_nobody_may_give_is_a_400(client: TestClient, core: FakeCore, reason: str) -> None:
    result = client.simulate_post("/snapshots", params={"reason": reason})
    assert result.status_code == 400
    assert f"reason is {reason[:80]!r}, but must be request, down or stop" in result.json["description"]
    assert core.taken == []


def test_a_snapshot_that_cannot_be_taken_is_a_503_that_says_why(client: TestClient, core: FakeCore) -> None:
    core.failure = OSError("no quorum of etcd answers")
    result = client.simulate_post("/snapshots")
    assert (result.status_code, result.headers["retry-after"]) == (503, "1")
    assert result.json == {"title": "503 Service Unavailable", "description": "no quorum of etcd answers"}


@pytest.mark.parametrize("snapshot", ["latest", SNAPSHOT.name])
def test_a_restore_file_is_begun(client: TestClient, core: FakeCore, snapshot: str) -> None:
    result = client.simulate_post("/restore-files", json={"snapshot": snapshot})
    assert (result.status_code, result.json) == (202, {"id": "job-1"})
    assert core.asked_for == [snapshot]


def test_a_restore_file_of_an_unknown_snapshot_is_a_404(client: TestClient) -> None:
    result = client.simulate_post("/restore-files", json={"snapshot": "other"})
    assert (result.status_code, result.json["description"]) == (404, "There is no snapshot 'other'.")


def test_an_epoch_that_somebody_knows_of(client: TestClient, core: FakeCore) -> None:
    assert client.simulate_post("/restore-files", json={"snapshot": "latest", "after_epoch": 4}).status_code == 202
    assert core.after_epochs == [4]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"null", b'"latest"', b"{}", b'{"snapshot": ""}', b'{"snapshot": 1}', b" " * 5000],
)
def test_a_body_that_names_no_snapshot_is_a_400_that_says_what_is_right(
    client: TestClient, core: FakeCore, body: bytes
) -> None:
    result = client.simulate_post("/restore-files", body=body)
    assert result.status_code == 400
    assert '{"snapshot": "latest"}' in result.json["description"]
    assert core.asked_for == []


def test_how_far_a_restore_file_is(client: TestClient, core: FakeCore) -> None:
    core.jobs = [JobView("job-1", "making", "replaying the log", 3, 7)]
    result = client.simulate_get("/restore-files/job-1")
    assert result.status_code == 200
    assert result.json["file"] is None
    assert (result.json["state"], result.json["step"], result.json["done"], result.json["of"]) == (
        "making",
        "replaying the log",
        3,
        7,
    )


def test_a_job_that_is_not_there_is_a_404(client: TestClient) -> None:
    result = client.simulate_get("/restore-files/job-2")
    assert result.status_code == 404
    assert "'job-2'" in result.json["description"]


@pytest.mark.parametrize("name", [RESTORE_FILE.name, RESTORE_FILE.sha256])
def test_the_bytes_of_a_file(client: TestClient, name: str) -> None:
    result = client.simulate_get(f"/files/{name}")
    assert result.status_code == 200
    assert result.content == CONTENT
    assert result.headers["content-type"] == "application/octet-stream"
    assert result.headers["content-length"] == str(len(CONTENT))
    assert result.headers["x-sha256"] == RESTORE_FILE.sha256


def test_a_file_is_closed_once(client: TestClient, core: FakeCore) -> None:
    file = core.files["a"] = ClosedFile(CONTENT)
    client.simulate_get("/files/a")
    assert file.closes == 1


@pytest.mark.parametrize("name", ["other", "..", "%2e%2e%2fetc%2fpasswd"])
def test_a_file_that_is_not_there_is_a_404(client: TestClient, name: str) -> None:
    result = client.simulate_get(f"/files/{name}")
    assert result.status_code == 404
    assert "There is no " in result.json["description"]


def test_a_volume_that_fails_is_a_503(client: TestClient, core: FakeCore, caplog: pytest.LogCaptureFixture) -> None:
    core.failure = OSError(116, "Stale file handle")
    result = client.simulate_get(f"/files/{RESTORE_FILE.name}")
    assert result.status_code == 503
    assert "Stale file handle" in result.json["description"]
    assert "Stale file handle" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_file_that_breaks_off_is_seen_to(port: int, core: FakeCore, caplog: pytest.LogCaptureFixture) -> None:
    core.files["a"] = BrokenFile(CONTENT)
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/files/a")
    with pytest.raises(IncompleteRead):
        connection.getresponse().read()
    assert "a could not be sent in full: [Errno 5] Input/output error" in caplog.text


def test_an_upload(client: TestClient, core: FakeCore) -> None:
    result = client.simulate_put("/files", body=b"snapshot and more")
    assert result.status_code == 201
    assert (result.json["name"], result.json["reason"], result.json["size"]) == ("snapshot-uploaded", "upload", 17)
    assert core.uploaded == b"snapshot and more"


def test_an_upload_that_is_no_snapshot_is_a_422_that_says_why(client: TestClient) -> None:
    result = client.simulate_put("/files", body=b"something else")
    assert result.status_code == 422
    assert "it has no hash at its end" in result.json["description"]


def test_an_empty_upload_is_a_400(client: TestClient) -> None:
    result = client.simulate_put("/files", headers={"Content-Length": "0"})
    assert (result.status_code, result.json["description"]) == (
        400,
        "The file is empty, but must be a snapshot of etcd.",
    )


def test_an_upload_without_a_length_is_a_411(client: TestClient) -> None:
    assert client.simulate_put("/files").status_code == 411


def test_an_upload_in_chunks_has_a_length_when_it_is_there(port: int, core: FakeCore) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("PUT", "/files", body=iter([b"snap", b"shot"]), encode_chunked=True)
    assert connection.getresponse().status == 201
    assert core.uploaded == b"snapshot"
    connection.close()


def test_metrics(client: TestClient) -> None:
    result = client.simulate_get("/metrics")
    assert result.headers["content-type"].startswith("text/plain; version=")
    assert 'backup_snapshots_total{outcome="saved",reason="stop"} 0.0' in result.text


@pytest.mark.parametrize("path", ["/", "/snapshot", "/snapshots/", "/files/a/b", "/x" * 200])
def test_an_unknown_path_is_a_404_that_names_those_that_there_are(client: TestClient, path: str) -> None:
    result = client.simulate_get(path)
    assert (result.status_code, result.headers["content-type"]) == (404, "application/json")
    assert "only /snapshots, /restore-files, /restore-files/{job}, /files" in result.json["description"]
    assert len(result.text) < 400


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/snapshots", "GET, POST"),
        ("GET", "/restore-files", "POST"),
        ("POST", "/restore-files/job-1", "GET"),
        ("GET", "/files", "PUT"),
        ("PUT", "/files/a", "GET"),
        ("OPTIONS", "/healthz", "GET"),
        ("PURGE", "/metrics", "GET"),
    ],
)
@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
def test_a_wrong_method_is_a_405_that_says_what_is_right(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    result = client.simulate_request(method, path)
    assert (result.status_code, result.headers["allow"]) == (405, allowed)
    assert method in result.json["description"]


def test_what_nobody_thought_of_is_a_500_and_in_the_log(
    client: TestClient, core: FakeCore, caplog: pytest.LogCaptureFixture
) -> None:
    core.failure = RuntimeError("secret")
    with caplog.at_level(logging.ERROR):
        result = client.simulate_get("/files/a")
    assert result.status_code == 500
    assert "secret" not in result.text
    assert "RuntimeError: secret" in caplog.text


def test_while_a_file_hangs_that_is_being_sent_all_others_are_answered(port: int, core: FakeCore) -> None:
    """It hangs when more was read of it than is on its way: by then the server is called back to read on."""
    size = 32 * 1024**2
    hangs = threading.Event()

    class HangingFile(io.BytesIO):
        def read(self, length: int | None = -1, /) -> bytes:
            if self.tell() > size // 2 and not core.go_on.is_set():
                hangs.set()
                core.go_on.wait(30)
            return super().read(length)

    def download() -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/files/a")
        lengths.append(len(connection.getresponse().read()))
        connection.close()

    core.files["a"] = HangingFile(bytes(size))
    lengths: list[int] = []
    thread = threading.Thread(target=download)
    thread.start()
    assert hangs.wait(10)
    other = HTTPConnection("127.0.0.1", port, timeout=5)
    other.request("GET", "/healthz")
    assert other.getresponse().status == 200
    other.close()
    core.close()
    thread.join(timeout=10)
    assert lengths == [size]


def test_while_the_volume_hangs_there_are_answers_about_it(port: int, core: FakeCore) -> None:
    """However many ask for what needs the volume: those beyond a limit are sent away at once."""
    core.hang = True
    answers: list[int] = []
    answered = threading.Condition()

    def ask(method: str, path: str, body: bytes | None = None) -> int:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request(method, path, body)
        response = connection.getresponse()
        response.read()
        connection.close()
        with answered:
            answers.append(response.status)
            answered.notify()
        return response.status

    slow = [("POST", "/snapshots"), ("GET", f"/files/{RESTORE_FILE.name}"), ("PUT", "/files", b"snapshot")]
    threads = [threading.Thread(target=ask, args=slow[number % 3]) for number in range(SLOW_AT_ONCE + 6)]
    for thread in threads:
        thread.start()
    with answered:
        assert answered.wait_for(lambda: answers == [503] * 6, timeout=10)
    assert [ask("GET", path) for path in ("/snapshots", "/healthz", "/metrics", "/restore-files/job-1")] == [200] * 4

    core.close()
    for thread in threads:
        thread.join(timeout=10)
    assert sorted(answers)[-6:] == [503] * 6
    assert len(answers) == SLOW_AT_ONCE + 6 + 4
    core.hang = False
    statuses = [ask("GET", "/files/other") for _ in range(2 * SLOW_AT_ONCE)]
    statuses += [ask("GET", f"/files/{RESTORE_FILE.name}") for _ in range(2 * SLOW_AT_ONCE)]
    assert set(statuses) == {404, 200}, "all places are free again"
