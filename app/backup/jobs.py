"""Long work that somebody asked for: it goes on by itself, and is asked how far it is."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable

from backup.errors import SnapshotError
from backup.views import JobView, RestoreFileView

# How many may be under way. They wait for one another.
MOST_AT_ONCE = 4

# How many are remembered. Whoever began one asks for it every second.
_REMEMBERED = 20

# Called with a step, how much of it is done, and how much there is to do.
Report = Callable[[str, int, int], None]


class Jobs:
    """Safe for use by many threads."""

    def __init__(self) -> None:
        self._views: OrderedDict[str, JobView] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, work: Callable[[Report], RestoreFileView]) -> str:
        """Have a thread do the work. Returns the job's ID. What the work raises is the job's error.

        Raises SnapshotError if too many are under way.
        """
        job = secrets.token_hex(8)
        with self._lock:
            under_way = sum(view.state == "making" for view in self._views.values())
            if under_way >= MOST_AT_ONCE:
                raise SnapshotError(f"{under_way} restore files are being made already: wait until one of them is done")
            self._views[job] = JobView(job, "making", "waiting")
            while len(self._views) > _REMEMBERED:
                self._views.popitem(last=False)  # done long ago
        threading.Thread(target=self._do, args=(job, work), name="restore-file", daemon=True).start()
        return job

    def view(self, job: str) -> JobView | None:
        return self._views.get(job)

    def _do(self, job: str, work: Callable[[Report], RestoreFileView]) -> None:
        step = "waiting"

        def report(new_step: str, done: int, of: int) -> None:
            nonlocal step
            step = new_step
            self._show(JobView(job, "making", step, done, of))

        try:
            file = work(report)
        except Exception as error:  # whoever asked is told
            self._show(JobView(job, "failed", step, error=str(error) or type(error).__name__))
        else:
            self._show(JobView(job, "done", "done", file=file))

    def _show(self, view: JobView) -> None:
        with self._lock:
            self._views[view.id] = view
