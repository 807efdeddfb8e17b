"""The members that ask, each until it is answered."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from controller.facts import Heard, changes_nothing
from member.starting import Answer, Report

# Seconds for which one that asks is kept waiting at most. It asks again.
_LONGEST_WAIT = 10.0


@dataclass(eq=False)
class _Question:
    """A report that waits for its answer."""

    report: Report
    answered: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None


class Hearing:
    """What members said, and who waits for an answer. Safe for use by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: dict[int, Heard] = {}
        self._waiting: dict[int, _Question] = {}
        self._asked = threading.Event()

    def ask(self, report: Report) -> Answer | None:
        """Wait for the answer to a report, and return it; None: there was none, or a newer report came."""
        question = _Question(report)
        with self._lock:
            former = self._waiting.get(report.member)
            self._waiting[report.member] = question
            self._heard[report.member] = Heard(report, time.time())
        if former is not None:
            former.answered.set()
        self._asked.set()
        question.answered.wait(_LONGEST_WAIT)
        with self._lock:
            if self._waiting.get(report.member) is question:
                del self._waiting[report.member]
        return question.answer

    def wait(self, seconds: float) -> None:
        """Wait until somebody asks, but not longer."""
        self._asked.wait(seconds)
        self._asked.clear()

    def heard(self) -> dict[int, Heard]:
        """Return what each said last. Who still waits says it now."""
        with self._lock:
            now = time.time()
            for member in self._waiting:
                self._heard[member] = replace(self._heard[member], at=now)
            return dict(self._heard)

    def waiting(self) -> list[int]:
        """Return who waits."""
        with self._lock:
            return list(self._waiting)

    def answer(self, answers: Mapping[int, Answer], decided_on: Mapping[int, Heard]) -> None:
        """Answer those whose report was decided on. What an answer may change is known no more."""
        with self._lock:
            for member, answer in answers.items():
                question, known = self._waiting.get(member), decided_on.get(member)
                if question is None or known is None or question.report is not known.report:
                    continue
                if not changes_nothing(answer):
                    del self._heard[member]
                self._end(member, answer)

    def forget(self) -> None:
        """Forget all that was said: somebody else may have answered since, and changed it."""
        with self._lock:
            self._heard.clear()
            for member in list(self._waiting):
                self._end(member, None)

    def _end(self, member: int, answer: Answer | None) -> None:
        question = self._waiting.pop(member)
        question.answer = answer
        question.answered.set()
