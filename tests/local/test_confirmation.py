import io
import sys
from types import SimpleNamespace

import pytest

from local.confirmation import make_sure
from local.errors import LocalError


def test_who_said_yes_is_not_asked() -> None:
    make_sure("All is lost.", True, otherwise="nothing was lost")


def test_where_nobody_can_be_asked_it_is_said_how_to_say_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))

    with pytest.raises(LocalError, match=r"All is lost\. To say yes without being asked: YES=1"):
        make_sure("All is lost.", False, otherwise="nothing was lost")


@pytest.mark.parametrize(("answer", "agreed"), [("y", True), (" Yes", True), ("", False), ("n", False)])
def test_on_a_terminal_it_is_asked(monkeypatch: pytest.MonkeyPatch, answer: str, agreed: bool) -> None:
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return answer

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", ask)

    if agreed:
        make_sure("All is lost.", False, otherwise="nothing was lost")
    else:
        with pytest.raises(LocalError, match="nothing was lost"):
            make_sure("All is lost.", False, otherwise="nothing was lost")

    assert questions == ["All is lost. Go on? [y/N] "]
