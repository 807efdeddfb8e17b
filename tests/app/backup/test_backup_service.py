"""Backup as a whole, without any etcd: what it says then, where the log begins, and what it does when."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup import service
from backup.catalog import Catalog
from backup.epochs import Epochs
from backup.errors import SnapshotError, UnknownSnapshotError
from backup.live import Live, LiveReader
from backup.log import MOST_BEHIND
from backup.log_file import LogError
from backup.manifest import Proof
from backup.metrics import Metrics
from backup.prover import Prover
from backup.service import Backup
from backup.settings import Settings
from etcd.endpoints import Endpoint
from tests.app.backup.samples import CLUSTER, PROVEN, save, write_log

Start = Callable[..., Backup]


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """What a backup before has left."""
    (found := tmp_path / "volume").mkdir()
    Epochs(found).note(1, CLUSTER)
    return found


@pytest.fixture
def start(tmp_path: Path, volume: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr(service, "WORK_INTERVAL", 0.01)
    monkeypatch.setattr(Prover, "prove_pending", lambda _: None)
    monkeypatch.setattr(Prover, "follow", lambda _: None)
    started: list[Backup] = []

    def begin(interval: int = 3600) -> Backup:
        endpoints, scratch = (Endpoint("127.0.0.1", 9),), tmp_path / "scratch"
        settings = Settings(endpoints, "backup-1", volume, scratch, interval, 8080, "info")
        started.append(Backup(settings, Metrics()))
        return started[-1]

    yield begin
    for backup in started:
        with closing(backup):
            pass


def loaded(backup: Backup) -> Backup:
    wait_until(backup._loaded.is_set)
    return backup


def wait_until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def live(revision: int = 100, cluster: int = CLUSTER, epoch: int = 1, epoch_revision: int = 0) -> Live:
    return Live(datetime.now(UTC), epoch, epoch_revision, cluster, revision, 90)


def test_without_etcd_it_says_what_the_volume_has(start: Start, volume: Path) -> None:
    saved = save(Catalog(volume))
    overview = loaded(start()).overview()
    assert [found.name for found in overview.snapshots] == [saved.name]
    assert overview.live is None
    assert overview.log.lag_seconds is None


def test_before_the_volume_was_read_nothing_is_said_but_why(start: Start, volume: Path) -> None:
    """Else whoever asks would think that there is nothing."""
    (volume / "epochs.json").write_text("{}")
    backup = start()
    wait_until(lambda: "volume" in backup._failing)
    for ask in (backup.overview, lambda: backup.take("request"), lambda: backup.begin_restore_file("latest")):
        with pytest.raises(SnapshotError, match=r"can't be read yet: epochs.json is damaged"):
            ask()
    (volume / "epochs.json").unlink()
    assert loaded(backup).overview().snapshots == ()


def test_what_fails_for_long_is_told_once(start: Start, volume: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (volume / "epochs.json").write_text("{}")
    backup = start()
    wait_until(lambda: backup._metrics._failures.labels("volume")._value.get() > 5)
    (volume / "epochs.json").unlink()
    loaded(backup)
    told = [record.getMessage() for record in caplog.records if record.getMessage().startswith("volume: ")]
    assert len(told) == 2
    assert told[1] == "volume: it works again"


def test_a_snapshot_that_is_not_there(start: Start, volume: Path) -> None:
    name = save(Catalog(volume)).name
    with pytest.raises(UnknownSnapshotError, match=f"no snapshot 'other'; there are: {name}"):
        loaded(start()).begin_restore_file("other")


def test_the_log_goes_on_where_the_volumes_ends(start: Start, volume: Path) -> None:
    save(Catalog(volume), newest=50)
    write_log(volume, range(51, 60))
    backup = loaded(start())
    assert backup._log_begins_after(live(100), False) == 59
    assert backup._wanted.empty()


@pytest.mark.parametrize(
    ("newest", "revision", "anew"),
    [
        (None, 100, False),  # without a snapshot
        (50, 50 + MOST_BEHIND + 1, False),
        (150, 100, False),  # the log can't be ahead of the cluster
        (50, 100, True),
    ],
)
def test_the_log_begins_anew_and_a_snapshot_is_wanted(
    start: Start, volume: Path, monkeypatch: pytest.MonkeyPatch, newest: int | None, revision: int, anew: bool
) -> None:
    monkeypatch.setattr(LiveReader, "read", lambda _: live(revision))
    if newest is not None:
        save(Catalog(volume), newest=newest)
    backup = loaded(start())
    backup._stopping.set()  # what is wanted stays
    for thread in backup._threads:
        thread.join()
    assert backup._log_begins_after(live(revision), anew) == revision
    assert backup._wanted.get_nowait() == "log"


def test_the_log_may_be_newer_than_what_was_last_known_of_the_cluster(
    start: Start, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(Catalog(volume), newest=50)
    write_log(volume, range(51, 110))
    monkeypatch.setattr(LiveReader, "read", lambda _: live(120))
    backup = loaded(start())
    assert backup._log_begins_after(live(100), False) == 109
    assert backup._wanted.empty()


def test_a_new_epochs_log_begins_with_the_restore_file(start: Start, volume: Path) -> None:
    save(Catalog(volume), newest=60, reason="restore", cluster=0, epoch=2)
    backup = loaded(start())
    backup._stopping.set()
    for thread in backup._threads:
        thread.join()
    assert backup._log_begins_after(live(100, CLUSTER + 1, 2, 60), False) == 60
    assert backup._wanted.get_nowait() == "epoch"
    with pytest.raises(LogError, match="make restore"):
        backup._log_begins_after(live(100, CLUSTER + 2), False)


def test_a_verdict_in_words(start: Start, volume: Path) -> None:
    catalog = Catalog(volume)
    for number, proof in enumerate((PROVEN, Proof("pending"), Proof("failed", "its hash is another"))):
        save(catalog, newest=number, proof=proof)
    assert {found.proven for found in loaded(start()).overview().snapshots} == {
        "yes",
        "pending",
        "failed: its hash is another",
    }


def test_no_snapshot_on_schedule_while_the_last_one_is_not_proven(
    start: Start, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or those that wait for a proof would become ever more."""
    taken: list[str] = []
    monkeypatch.setattr(Backup, "take", lambda _, reason: taken.append(reason))
    pending = save(Catalog(volume), proof=Proof("pending"))
    backup = loaded(start(0))
    time.sleep(0.1)
    assert taken == []
    backup._vault.catalog.replace(replace(pending, proof=PROVEN))
    wait_until(lambda: "schedule" in taken)


def test_no_snapshot_at_all_while_many_are_not_proven(start: Start, volume: Path) -> None:
    """However often somebody asks: the volume must have room for them."""
    for number in range(service.MOST_PENDING):
        save(Catalog(volume), newest=number, proof=Proof("pending"))
    with pytest.raises(SnapshotError, match="10 snapshots wait to be proven"):
        loaded(start()).take("request")
