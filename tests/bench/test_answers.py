import time

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
