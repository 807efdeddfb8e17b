import pytest

from chaos.system import System, eventually
from local.errors import LocalError
from local.layout import Layout


def test_what_is_seen_at_last_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    seen = iter([None, 0, 7])

    assert eventually("a number", lambda: next(seen)) == 7


def test_what_never_comes_is_named_with_what_was_seen() -> None:
    with pytest.raises(LocalError, match=r"not within 0 s: three pods \(last seen: \[\]\)"):
        eventually("three pods", lambda: [], patience=0)


def test_a_count_that_is_not_told_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(System, "addresses", ["127.0.0.1"])

    with pytest.raises(LocalError, match=r"http://127\.0\.0\.1:1/fetch: no count in its answer"):
        System(Layout("none", 0), 1).count()
