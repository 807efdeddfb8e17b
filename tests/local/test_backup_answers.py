import pytest

from local import backup_answers
from local.backup_answers import Job, Live, Log, Overview, RestoreFile, Snapshot
from local.errors import LocalError
from local.kube import Object
from tests.local.fake_backup import FakeBackup, snapshot


def overview(*snapshots: Object, live: Object | None) -> Overview:
    told = {"snapshots": list(snapshots), "log": FakeBackup().log, "live": live, "passed_over": []}
    return backup_answers.overview(told)


LIVE = {"epoch": 3, "cluster": "abc", "count": 20, "revision": 200}


def test_an_overview_is_read_with_all_that_is_in_it() -> None:
    told = overview(snapshot("a"), live=LIVE)

    assert [item.name for item in told.snapshots] == ["a"]
    assert told.log == Log(120, "2030-01-01T00:00:01.000Z", 0.4, None)
    assert told.live == Live(3, "abc", 20, 200)


def test_what_a_newer_backup_tells_besides_is_passed_over() -> None:
    assert backup_answers.snapshot({**snapshot("a"), "new": 1}) == backup_answers.snapshot(snapshot("a"))


def test_what_is_missing_is_named() -> None:
    told = snapshot("a")
    del told["count"], told["log"]

    with pytest.raises(LocalError, match=r"without \['count', 'log'\].*`make up`"):
        backup_answers.snapshot(told)


def test_a_job_has_no_file_until_it_is_done() -> None:
    job = {"state": "making", "step": "replay", "done": 1, "of": 2, "error": None}
    made = FakeBackup().made

    assert backup_answers.job({**job, "file": None}) == Job("making", "replay", 1, 2, None, None)
    assert backup_answers.job({**job, "file": made}).file == RestoreFile(
        "restore-1", made["sha256"], 14, 2, 10**9, 11, 110, "snapshot-1"
    )


@pytest.mark.parametrize(
    ("log", "count"), [("", 10), ("complete to 120 at 2030-01-01T00:00:01Z (15)", 15), ("not readable", 10)]
)
def test_the_count_goes_on_with_the_log(log: str, count: int) -> None:
    assert backup_answers.snapshot(snapshot("a", 10, log=log)).last_count == count


def test_the_last_count_is_the_live_one_while_there_is_one() -> None:
    assert overview(snapshot("a", 10), live=LIVE).last_count == 20


def test_without_it_it_is_that_of_the_newest_snapshot_of_the_cluster_s_own() -> None:
    snapshots = [snapshot("a", 10), snapshot("b", 11), snapshot("mine", 99, reason="upload")]

    assert overview(*snapshots, live=None).last_count == 11
    assert overview(live=None).last_count is None


def test_the_newest_epoch_is_that_of_the_cluster_or_of_a_snapshot() -> None:
    assert overview({**snapshot("a"), "epoch": 2}, live=LIVE).epoch == 3
    assert overview({**snapshot("a"), "epoch": 2}, live=None).epoch == 2
    assert overview(live=None).epoch == 1


def test_a_snapshot_is_found_by_its_name() -> None:
    told = overview(snapshot("a"), snapshot("b"), live=None)

    found = told.find("b")
    assert isinstance(found, Snapshot)
    assert found.name == "b"
    assert told.find("c") is None
