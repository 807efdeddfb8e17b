import itertools
import json

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


def test_members_that_kubernetes_takes_for_ready_are_asked_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    pods = json.dumps({"items": [{"metadata": {"name": f"etcd-{n}"}, "status": ready} for n in range(3)]})
    out_of_touch = ["etcd-2", "etcd-1"]
    asked = []

    def kubectl(_: System, *arguments: str) -> str:
        if arguments[0] == "get":
            return pods
        asked.append(arguments[1])
        if out_of_touch and arguments[1] == out_of_touch[-1]:
            raise LocalError(f"{out_of_touch.pop()} is unhealthy: context deadline exceeded")
        return ""

    monkeypatch.setattr(System, "kubectl", kubectl)
    monkeypatch.setattr(System, "addresses", ["127.0.0.1"])
    monkeypatch.setattr("chaos.system.answers_ok", lambda _: True)
    monkeypatch.setattr("time.sleep", lambda _: None)

    System(Layout("none", 0), 1).wait_until_whole()

    assert not out_of_touch
    assert asked[-3:] == ["etcd-0", "etcd-1", "etcd-2"]


def test_who_waits_in_vain_is_told_what_kubernetes_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def kubectl(_: System, *arguments: str) -> str:
        if "json" in arguments:
            return '{"items": []}'
        return "etcd-0 0/1 Pending\n" if arguments[0] == "get" else "FailedMount etcd-0: no such volume\n"

    monkeypatch.setattr(System, "kubectl", kubectl)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("time.monotonic", itertools.count(0, 50).__next__)

    with pytest.raises(
        LocalError, match=r"three members ready .*\n.*: none\netcd-0 0/1 Pending\nFailedMount etcd-0: .*"
    ):
        System(Layout("none", 0), 1).wait_until_whole()
