import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from local import backup_service, last_snapshot
from local.remains import stateful_set
from tests.local.fake_backup import NAMESPACE, FakeBackup, snapshot
from tests.local.in_memory_kube import InMemoryKube


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_service, "POLL_INTERVAL", 0.0)


@pytest.fixture
def kube() -> InMemoryKube:
    fake = InMemoryKube()
    fake.put({**stateful_set(NAMESPACE), "spec": {"replicas": 3}})
    return fake


@pytest.fixture
def backup(kube: InMemoryKube) -> Iterator[FakeBackup]:
    fake = FakeBackup()
    fake.snapshots = [snapshot("old", 10, log="complete to 110 at 2030-01-01T00:00:01Z (11)")]
    with fake.served(kube):
        yield fake


def test_it_is_taken_proven_and_told(
    kube: InMemoryKube, backup: FakeBackup, console: Console, printed: io.StringIO
) -> None:
    last_snapshot.take(kube, NAMESPACE, console)

    assert printed.getvalue() == "snapshot snapshot-2 is saved and proven: count 12\n"
    assert "POST /snapshots?reason=down" in backup.asked


def test_what_is_not_deployed_has_none(backup: FakeBackup, console: Console, printed: io.StringIO) -> None:
    last_snapshot.take(InMemoryKube(), NAMESPACE, console)

    assert (backup.asked, printed.getvalue()) == ([], "")


def test_without_backup_it_is_a_warning(kube: InMemoryKube, console: Console, printed: io.StringIO) -> None:
    last_snapshot.take(kube, NAMESPACE, console)

    assert printed.getvalue().startswith("warning: there is no proven snapshot of how it is now: namespace ha-counter")


def test_a_failure_is_a_warning_that_tells_what_there_is(
    kube: InMemoryKube, backup: FakeBackup, console: Console, printed: io.StringIO
) -> None:
    backup.refuses["POST /snapshots?reason=down"] = 503, {"title": "No snapshot", "description": "disk full"}

    last_snapshot.take(kube, NAMESPACE, console)

    assert printed.getvalue().splitlines() == [
        "warning: there is no proven snapshot of how it is now: etcd-backup: disk full",
        "  The last one from before is old of 2030-01-01T00:00:00.000Z: count 11.",
    ]


def test_where_nothing_is_proven_that_is_told(
    kube: InMemoryKube, backup: FakeBackup, console: Console, printed: io.StringIO
) -> None:
    backup.snapshots = [snapshot("old", proven="failed: torn")]
    backup.proof = "failed: torn"

    last_snapshot.take(kube, NAMESPACE, console)

    assert "There is none from before, either." in printed.getvalue()


@pytest.mark.parametrize("what", ["no etcd", "a log that lags", "no log"])
def test_where_etcd_does_not_answer_it_is_not_waited_for_long(
    kube: InMemoryKube,
    backup: FakeBackup,
    console: Console,
    printed: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    monkeypatch.setattr(last_snapshot, "DOUBTFUL_TIMEOUT", 0.05)
    backup.hangs.add("POST /snapshots?reason=down")
    if what == "no etcd":
        backup.live = None
    else:
        backup.log["lag_seconds"] = 10.0 if what == "a log that lags" else None

    last_snapshot.take(kube, NAMESPACE, console)

    assert "does not answer POST /snapshots?reason=down: timed out" in printed.getvalue()


def test_backup_that_hangs_is_not_waited_for_long(
    kube: InMemoryKube,
    backup: FakeBackup,
    console: Console,
    printed: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(last_snapshot, "LOOK_TIMEOUT", 0.05)
    backup.hangs.add("GET /snapshots")

    last_snapshot.take(kube, NAMESPACE, console)

    assert "does not answer GET /snapshots: timed out" in printed.getvalue()


def test_all_waiting_together_is_limited_to_fifteen_seconds_in_doubt() -> None:
    assert last_snapshot.LOOK_TIMEOUT + last_snapshot.DOUBTFUL_TIMEOUT < 15
