"""What became of each resource, told line by line and counted."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from rich.console import Console


class Outcome(StrEnum):
    """What was done to a resource, or what `up` would do."""

    BUILT = "built"
    MADE = "made"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    DELETED = "deleted"


@dataclass
class Work:
    """What is done to one resource: to be filled in by whoever does it."""

    report: Callable[[str], None]  # tells what is waited for
    outcome: Outcome = Outcome.UNCHANGED
    differences: list[str] = field(default_factory=list)


class Outcomes:
    """Told on a console by several threads."""

    def __init__(self, console: Console, *, dry_run: bool) -> None:
        self._console = console
        self._dry_run = dry_run
        self._counts: Counter[Outcome] = Counter()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def of(self, what: str) -> Iterator[Work]:
        """Tell what became of one resource when the block ends, but not if it fails."""
        work = Work(self._report_changes(what))
        started = time.monotonic()
        yield work
        with self._lock:
            self._counts[work.outcome] += 1
            if self._dry_run:
                would = "" if work.outcome == Outcome.UNCHANGED else "would be "
                self._print("\n      ".join([f"  {what}: {would}{work.outcome}", *work.differences]))
            else:
                self._print(f"  {what}: {work.outcome}, {time.monotonic() - started:.1f} s")

    def summary(self) -> str:
        """How many resources are other than before, and how many are not."""
        unchanged = self._counts[Outcome.UNCHANGED]
        changed = self._counts.total() - unchanged
        return (
            f"{changed} would change, {unchanged} would not"
            if self._dry_run
            else f"{changed} changed, {unchanged} unchanged"
        )

    def _report_changes(self, what: str) -> Callable[[str], None]:
        """Tells each state that a resource is in once."""
        last = ""

        def report(state: str) -> None:
            nonlocal last
            if state != last:
                self._print(f"  {what}: {state} ...", style="dim")
                last = state

        return report

    def _print(self, text: str, style: str | None = None) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True, style=style)
