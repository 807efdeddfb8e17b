import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from backup.views import ChainView, JobView, LiveView, LogView, Overview
from tests.app.backup.fake_core import RESTORE_FILE, SNAPSHOT, TIME


def test_a_snapshot() -> None:
    assert SNAPSHOT.to_json() == {
        "name": "snapshot-1",
        "time": "2026-03-04T05:06:07.890Z",
        "reason": "schedule",
        "epoch": 1,
        "cluster": "abc",
        "revision": 17,
        "count": 16,
        "size": 20480,
        "sha256": "ab" * 32,
        "proven": "yes",
        "log": "complete to 20 at 2026-03-04T05:06:08.000Z (19)",
    }


def test_times_are_told_in_utc() -> None:
    elsewhere = datetime(2026, 3, 4, 7, 6, 7, tzinfo=timezone(timedelta(hours=2)))
    assert replace(SNAPSHOT, time=elsewhere).to_json()["time"] == "2026-03-04T05:06:07.000Z"


def test_everything() -> None:
    overview = Overview(
        snapshots=(SNAPSHOT,),
        log=LogView(20, TIME, 0.4),
        live=LiveView(1, 0xABC, 23, 24),
        passed_over=("snapshot-0: it is empty",),
        epoch=2,
        chain=ChainView(1, 20, 0.4),
    )
    assert overview.to_json() == {
        "snapshots": [SNAPSHOT.to_json()],
        "log": {"complete_to": 20, "complete_at": "2026-03-04T05:06:07.890Z", "lag_seconds": 0.4, "problem": None},
        "live": {"epoch": 1, "cluster": "abc", "count": 23, "revision": 24},
        "passed_over": ["snapshot-0: it is empty"],
        "epoch": 2,
        "chain": {"epoch": 1, "revision": 20, "lag_seconds": 0.4},
    }


def test_nothing() -> None:
    assert Overview((), LogView(problem="etcd does not answer"), None, ()).to_json() == {
        "snapshots": [],
        "log": {"complete_to": 0, "complete_at": None, "lag_seconds": None, "problem": "etcd does not answer"},
        "live": None,
        "passed_over": [],
        "epoch": 1,
        "chain": None,
    }


def test_a_job_that_is_done() -> None:
    assert JobView("job-1", "done", "done", 3, 3, file=RESTORE_FILE).to_json() == {
        "id": "job-1",
        "state": "done",
        "step": "done",
        "done": 3,
        "of": 3,
        "error": None,
        "file": {
            "name": "restore-1",
            "sha256": RESTORE_FILE.sha256,
            "size": RESTORE_FILE.size,
            "epoch": 2,
            "bump": 1_000_000_000,
            "count": 19,
            "revision": 21,
            "source": "snapshot-1",
            "live_count": 23,
        },
    }


def test_a_job_that_failed_has_no_file() -> None:
    view = JobView("job-1", "failed", "replaying", 1, 3, error="the log has a gap").to_json()
    assert (view["state"], view["error"], view["file"]) == ("failed", "the log has a gap", None)
    json.dumps(view)
