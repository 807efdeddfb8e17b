import threading
import time
from collections.abc import Callable

import pytest

from backup.errors import SnapshotError
from backup.jobs import MOST_AT_ONCE, Jobs, Report
from backup.views import JobView, RestoreFileView
from tests.app.backup.fake_core import RESTORE_FILE


def ended(jobs: Jobs, job: str) -> JobView:
    end = time.monotonic() + 10
    while (view := jobs.view(job)) is not None and view.state == "making" and time.monotonic() < end:
        time.sleep(0.001)
    assert view is not None
    return view


def held(go_on: threading.Event) -> Callable[[Report], RestoreFileView]:
    def work(_: Report) -> RestoreFileView:
        go_on.wait(10)
        return RESTORE_FILE

    return work


def test_a_job_that_nobody_began() -> None:
    assert Jobs().view("0123") is None


def test_what_a_job_makes_is_shown() -> None:
    jobs = Jobs()
    assert ended(jobs, jobs.begin(lambda _: RESTORE_FILE)).file == RESTORE_FILE


def test_how_far_a_job_is_is_shown() -> None:
    jobs, told, go_on = Jobs(), threading.Event(), threading.Event()

    def work(report: Report) -> RestoreFileView:
        report("replaying", 3, 10)
        told.set()
        go_on.wait(10)
        return RESTORE_FILE

    job = jobs.begin(work)
    assert told.wait(10)
    assert jobs.view(job) == JobView(job, "making", "replaying", 3, 10)
    go_on.set()
    assert ended(jobs, job).state == "done"


@pytest.mark.parametrize(("error", "text"), [(OSError("gone"), "gone"), (KeyError(), "KeyError")])
def test_why_a_job_failed_is_shown_and_at_which_step(error: Exception, text: str) -> None:
    jobs = Jobs()

    def work(report: Report) -> RestoreFileView:
        report("trying", 0, 0)
        raise error

    job = jobs.begin(work)
    assert ended(jobs, job) == JobView(job, "failed", "trying", error=text)


def test_only_some_are_under_way_at_once() -> None:
    jobs, go_on = Jobs(), threading.Event()
    begun = [jobs.begin(held(go_on)) for _ in range(MOST_AT_ONCE)]
    with pytest.raises(SnapshotError, match=f"{MOST_AT_ONCE} restore files"):
        jobs.begin(held(go_on))
    go_on.set()
    for job in begun:
        ended(jobs, job)
    assert ended(jobs, jobs.begin(held(go_on))).state == "done"


def test_the_oldest_are_forgotten_but_never_one_under_way() -> None:
    jobs, go_on = Jobs(), threading.Event()
    first = jobs.begin(lambda _: RESTORE_FILE)
    ended(jobs, first)
    slow = jobs.begin(held(go_on))
    for _ in range(19):
        ended(jobs, jobs.begin(lambda _: RESTORE_FILE))
    assert jobs.view(first) is None
    view = jobs.view(slow)
    assert view is not None
    assert view.state == "making"
    go_on.set()
    assert ended(jobs, slow).state == "done"
