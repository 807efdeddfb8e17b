"""Progress of long work: which step, how long, how many to go. A live table on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

REFRESHES_PER_SECOND = 4

Report = Callable[[str], None]


class Steps:
    """The steps of one command, announced beforehand so that it shows how many are to go."""

    def __init__(self, titles: list[str], console: Console) -> None:
        self._console = console
        self._state = dict.fromkeys(titles, ("", "", 0.0))  # title -> mark, detail, start or duration
        self._lock = threading.Lock()
        self._live = Live(
            get_renderable=self._table, console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=False
        )

    @contextmanager
    def shown(self) -> Iterator["Steps"]:
        """Show the steps while the block runs."""
        if not self._console.is_terminal:
            yield self
            return
        with self._live:
            yield self

    @contextmanager
    def step(self, title: str) -> Iterator[Report]:
        """One step; the block may report what it is at. May run beside others, in a thread."""
        started = time.monotonic()
        self._set(title, "…", "", started)
        try:
            yield lambda detail: self._set(title, "…", detail, started)
        except BaseException:
            self._finish(title, "failed", started)
            raise
        self._finish(title, "done", started)

    def _finish(self, title: str, mark: str, started: float) -> None:
        seconds = time.monotonic() - started
        self._set(title, mark, "", seconds)
        if not self._console.is_terminal:
            with self._lock:
                over = sum(state[0] in ("done", "failed") for state in self._state.values())
            self._console.print(f"[{over}/{len(self._state)}] {title}: {mark}, {seconds:.1f} s", markup=False)

    def _set(self, title: str, mark: str, detail: str, moment: float) -> None:
        with self._lock:
            self._state[title] = (mark, detail, moment)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            states = dict(self._state)
        for title, (mark, detail, moment) in states.items():
            seconds = "" if not mark else f"{time.monotonic() - moment if mark == '…' else moment:.0f} s"
            table.add_row(mark or "·", title, seconds, detail)
        return table
