import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bench import answers
from bench.targets import Target
from local.errors import LocalError

TARGET = Target("/static, Go", 30182, "/static")


def test_a_target_must_answer_many_times_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = iter([False, *[True] * 9, False, *[True] * 10])
    asked = []

    def answer(url: str) -> bool:
        asked.append(url)
        return next(outcomes)

    monkeypatch.setattr(answers, "answers_ok", answer)
    monkeypatch.setattr(time, "sleep", lambda _: None)

    answers.wait(TARGET, "10.0.0.1")

    assert asked == ["http://10.0.0.1:30182/static"] * 21


def test_a_target_that_never_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(answers, "answers_ok", lambda _: False)

    with pytest.raises(LocalError, match=r"/static, Go: http://10\.0\.0\.1:30182/static does not answer"):
        answers.wait(TARGET, "10.0.0.1")


@contextmanager
def server(*pods: str | None) -> Iterator[str]:
    """Answers as these pods do, one after the other, and at last as the last one; None is an answer of no use."""
    turns = list(pods)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pod = turns.pop(0) if len(turns) > 1 else turns[0]
            self.send_response(200 if pod else 503)
            self.end_headers()
            self.wfile.write(json.dumps({"pod": pod} if pod else {}).encode())

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


def test_every_pod_must_answer_in_whatever_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "INTERVAL_SECONDS", 0.0)

    with server("counter-b", None, "counter-b", "counter-gone", "counter-a") as url:
        answers.wait_for_pods(url, ["counter-a", "counter-b"])


def test_a_pod_that_never_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 0.0)

    with server("counter-b") as url, pytest.raises(LocalError, match=r"/static: no answer from counter-a$"):
        answers.wait_for_pods(url, ["counter-a", "counter-b"])
