import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backup import files, vault
from backup.errors import BadSnapshotError
from backup.live import Live
from backup.log_file import LogError
from backup.manifest import Manifest, Proof
from backup.taking import Taken
from backup.vault import Vault
from tests.app.backup.samples import CLUSTER, PROVEN, save, write_log

OTHER = CLUSTER + 1


def live(epoch: int = 1, cluster: int = CLUSTER, epoch_revision: int = 0) -> Live:
    return Live(datetime.now(UTC), epoch, epoch_revision, cluster, 100, 90)


@pytest.fixture
def full(tmp_path: Path) -> Vault:
    """One that knows the cluster, and no room is short."""
    found = Vault(tmp_path)
    found.load()
    found.note(live())
    return found


def fill(found: Vault, *newest: int, **changes: object) -> list[Manifest]:
    return [save(found.catalog, b"%d" % number, newest=number, **changes) for number in newest]


def usable(found: Vault) -> list[int]:
    return [manifest.newest for manifest in found.usable()]


def test_what_is_saved_is_listed_and_can_be_fetched(full: Vault, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.write_bytes(b"all keys")
    saved = full.save(local, Taken(1, CLUSTER, 42, 40, "3.6.16"), "request", Proof())
    assert full.catalog.manifests() == (saved,)
    assert full.fetch(saved, tmp_path / "copy") is None
    assert (tmp_path / "copy").read_bytes() == b"all keys"
    again = Vault(tmp_path)
    again.load()
    assert again.catalog.manifests() == (saved,)


def test_the_newest_proven_state_comes_first(full: Vault) -> None:
    fill(full, 5, 9, 7)
    fill(full, 11, proof=Proof("pending"))
    fill(full, 12, proof=Proof("failed"))
    fill(full, 13, reason="upload")
    fill(full, 14, reason="restore", cluster=0)
    assert usable(full) == [9, 7, 5]


@pytest.mark.parametrize("content", [b"", b"99"], ids=["emptied", "changed"])
def test_what_is_damaged_is_passed_over_and_said_once(
    full: Vault, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    _, newest = fill(full, 50, 90)
    assert usable(full) == [90, 50]
    full.catalog.path(newest).write_bytes(content)
    assert usable(full) == [50]
    assert usable(full) == [50]
    assert [sentence for sentence in full.passed_over if sentence.startswith(f"{newest.name}: its ")]
    assert caplog.text.count(newest.name) == 1


def test_what_is_damaged_and_put_right_is_used_again(full: Vault) -> None:
    [one] = fill(full, 50)
    full.catalog.path(one).write_bytes(b"51")
    full.look_through()
    assert full.passed_over
    full.catalog.path(one).write_bytes(b"50")
    full.look_through()
    assert full.passed_over == ()
    assert usable(full) == [50]


def test_another_clusters_snapshot_and_log_are_passed_over(full: Vault, tmp_path: Path) -> None:
    fill(full, 50)
    [strange] = fill(full, 90, cluster=OTHER, epoch=9)
    path = write_log(tmp_path, [91, 92], cluster=OTHER)
    full.look_through()
    assert usable(full) == [50]
    assert len(full.passed_over) == 2
    for name, sentence in zip((strange.name, path.name), full.passed_over, strict=True):
        assert sentence.startswith(f"{name}: it is of cluster {OTHER:016x}, which this deployment never was")


def test_what_is_passed_over_takes_no_place_and_stays(full: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where room is short only the newest two stay: that must be good ones."""
    monkeypatch.setattr("backup.retention.FREE_SHARE", 1)
    good = fill(full, 5, 6)
    bad = [*fill(full, 7, 8), *fill(full, 99, 100, cluster=OTHER, epoch=9)]
    for manifest in bad[:2]:
        full.catalog.path(manifest).write_bytes(b"x")
    full.look_through()
    full.remove_what_nobody_needs([])
    assert set(full.catalog.manifests()) == {*good, *bad}


def test_old_logs_are_removed_but_not_the_one_that_is_written(full: Vault, tmp_path: Path) -> None:
    fill(full, 10, 20, 30, 40)
    old, used, new = (write_log(tmp_path, [n], f"pod-{n}") for n in (5, 6, 41))
    full.look_through()
    assert full.log_bytes == sum(path.stat().st_size for path in (old, used, new))
    full.remove_what_nobody_needs([used.name])
    assert sorted(path.name for path in tmp_path.glob("*.log")) == sorted([used.name, new.name])


def test_a_log_that_grows_is_read_on(full: Vault, tmp_path: Path) -> None:
    fill(full, 10)
    path = write_log(tmp_path, [11, 12])
    full.look_through()
    size = full.log_bytes
    more = write_log(tmp_path, [13], "pod-2").read_bytes()
    with path.open("ab") as file:
        file.write(more)  # another header: of no use, but read
    full.look_through()
    assert full.log_bytes > size


def test_leftovers_of_writers_that_died_are_removed_once_they_are_old(full: Vault, tmp_path: Path) -> None:
    for name in ("snapshot.db.0123.part", "other.part"):
        (tmp_path / name).write_bytes(b"half")
    old = datetime.now(UTC) - timedelta(seconds=vault.LEFTOVERS_AFTER + 5)
    os.utime(tmp_path / "other.part", (old.timestamp(), old.timestamp()))
    full.remove_what_nobody_needs([])
    assert [path.name for path in tmp_path.glob("*.part")] == ["snapshot.db.0123.part"]


def test_where_the_log_ends(full: Vault, tmp_path: Path) -> None:
    assert full.logged_to(CLUSTER) is None
    fill(full, 10)
    fill(full, 99, proof=Proof("failed"))
    assert full.logged_to(CLUSTER) == 10
    write_log(tmp_path, [9, 10, 11], "pod-1")
    write_log(tmp_path, [12, 13], "pod-2")
    write_log(tmp_path, [20], "pod-3")
    write_log(tmp_path, [14], "pod-4", cluster=OTHER)
    assert full.logged_to(CLUSTER) == 13
    assert full.logged_to(OTHER) is None


def test_the_log_does_not_rely_on_a_snapshot_that_may_never_be_proven(full: Vault, tmp_path: Path) -> None:
    """A backup that was killed had saved it, but not all of the log before it."""
    fill(full, 10)
    write_log(tmp_path, [11, 12])
    fill(full, 15, proof=Proof("pending"))
    assert full.logged_to(CLUSTER) == 12


def test_without_any_other_the_log_begins_after_a_snapshot_that_is_not_proven_yet(full: Vault) -> None:
    fill(full, 15, proof=Proof("pending"))
    assert full.logged_to(CLUSTER) == 15


def test_a_verdict_on_what_another_backup_has_removed_is_dropped(full: Vault, tmp_path: Path) -> None:
    gone, unlisted = fill(full, 10, 11, proof=Proof("pending"))
    other = Vault(tmp_path)
    other.load()
    other.catalog.remove(gone.name)
    full.note_proof(gone, PROVEN)
    assert full.catalog.manifests() == (unlisted,)
    assert not list(tmp_path.glob(f"{gone.name}*"))
    full.catalog.remove(unlisted.name)
    files.write_text(full.catalog.path(unlisted), "is there again")
    full.note_proof(unlisted, PROVEN)
    assert full.catalog.manifests() == ()


def test_a_cluster_without_an_epoch_is_known_only_if_it_is_the_first(full: Vault) -> None:
    assert not full.note(live())
    with pytest.raises(LogError, match=r"make restore"):
        full.note(live(cluster=OTHER))
    assert full.note(live(2, OTHER, epoch_revision=7))
    assert full.next_epoch() == 3


def test_the_restore_file_that_a_cluster_began_with_is_its_first_state(full: Vault) -> None:
    [used] = fill(full, 50, reason="restore", cluster=0, epoch=2)
    used = replace(used, revision=50, bump=1000)
    full.catalog.replace(used)
    [unused] = fill(full, 51, reason="restore", cluster=0, epoch=2)
    full.note(live(2, OTHER, epoch_revision=50))
    by_name = {manifest.name: manifest for manifest in full.catalog.manifests()}
    assert by_name[used.name].cluster == OTHER
    assert by_name[unused.name].cluster == 0
    assert usable(full) == [1050]


def test_a_copy_that_is_too_short(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    with (tmp_path / "file").open("rb") as content, pytest.raises(BadSnapshotError, match="ended 2 bytes early"):
        vault.copy(content, tmp_path / "copy", 7)
    with (tmp_path / "file").open("rb") as content:
        vault.copy(content, tmp_path / "copy", 3)
    assert (tmp_path / "copy").read_bytes() == b"123"
