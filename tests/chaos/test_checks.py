import pytest

from chaos import checks, leftovers
from chaos.experiment import Experiment, Plan
from chaos.history import Answer
from chaos.leftovers import MemberHash
from chaos.system import System
from local.errors import LocalError
from local.layout import Layout

SYSTEM = System(Layout("none", 0), 30180)
EXPERIMENT = Experiment(Plan(1, 1, 0, ()), 0, 1, 0, 1, [], [Answer(0, 1, 1)])


@pytest.fixture(autouse=True)
def nothing_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "wait_until_folded", lambda _: None)
    monkeypatch.setattr(leftovers, "left_for_good", lambda _: [])
    monkeypatch.setattr(leftovers, "member_hashes", lambda _: [MemberHash("a", 1, 9, 5), MemberHash("b", 1, 9, 5)])


def found(experiment: Experiment = EXPERIMENT) -> list[str]:
    return [problem for check in checks.exactness(SYSTEM, experiment) for problem in check.problems]


def test_where_nothing_is_wrong_nothing_is_found() -> None:
    assert found() == []


def test_a_count_that_is_not_exact_is_found() -> None:
    assert found(Experiment(Plan(1, 1, 0, ()), 0, 2, 0, 1, [], [Answer(0, 1, 1)])) != []


def test_members_that_differ_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "member_hashes", lambda _: [MemberHash("a", 1, 9, 5), MemberHash("b", 1, 9, 6)])

    assert found() == ["a has the hash 5 at revision 9", "b has the hash 6 at revision 9"]


def test_a_key_that_stays_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "left_for_good", lambda _: ["i/mine"])

    assert found() == ["left for good: i/mine"]


@pytest.mark.parametrize("name", ["wait_until_folded", "member_hashes"])
def test_what_never_comes_to_hold_is_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def wait(_: System) -> None:
        raise LocalError("not within 120 s: what is waited for")

    monkeypatch.setattr(leftovers, name, wait)

    assert found() == ["not within 120 s: what is waited for"]
