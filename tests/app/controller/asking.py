"""Members that ask a controller, each in a thread of its own."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

from controller.hearing import Hearing
from member.starting import Answer, Report
from tests.app.counter.until import until


@dataclass(frozen=True)
class Asking:
    """Who asks, and what they are told in the end."""

    hearing: Hearing
    threads: ThreadPoolExecutor

    def ask(self, report: Report) -> "Future[Answer | None]":
        """Have a member ask, and wait until that was heard."""
        said = replace(report)  # it may have said the same before
        asking = self.threads.submit(self.hearing.ask, said)
        until(lambda: any(heard.report is said for heard in self.hearing.heard().values()))
        return asking


@contextmanager
def asking(hearing: Hearing) -> Iterator[Asking]:
    """At the end whoever still waits is told nothing."""
    with ThreadPoolExecutor(8) as threads:
        try:
            yield Asking(hearing, threads)
        finally:
            hearing.forget()
