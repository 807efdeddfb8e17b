import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from backup import files
from backup.catalog import Catalog
from backup.manifest import Proof
from tests.app.backup.samples import NOW, manifest, save


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path)


def loaded(folder: Path) -> Catalog:
    """What another process finds there."""
    another = Catalog(folder)
    another.load()
    return another


def test_what_is_added_is_found_by_the_next_process(catalog: Catalog, tmp_path: Path) -> None:
    second = save(catalog, newest=9)
    first = save(catalog, newest=3, age=timedelta(hours=1))
    assert catalog.manifests() == loaded(tmp_path).manifests() == (first, second)
    assert catalog.path(first).read_bytes() == b"all keys"
    assert loaded(tmp_path).passed_over == ()


def test_a_snapshot_is_found_by_its_name_or_hash_and_by_nothing_else(catalog: Catalog) -> None:
    save(catalog, b"others")
    saved = save(catalog, b"wanted")
    assert catalog.find(saved.name) == catalog.find(saved.sha256) == saved
    assert catalog.find(f"../{catalog.path(saved).parent.name}/{saved.name}") is None
    assert catalog.find("") is None


def test_what_is_found_out_later_is_kept(catalog: Catalog, tmp_path: Path) -> None:
    saved = save(catalog, proof=Proof())
    proven = replace(saved, proof=Proof("proven", at=NOW))
    catalog.replace(proven)
    assert catalog.manifests() == loaded(tmp_path).manifests() == (proven,)


def test_nothing_is_said_of_a_snapshot_that_is_not_listed(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        catalog.replace(manifest())
    assert list(tmp_path.iterdir()) == []


def test_a_removed_snapshot_is_gone(catalog: Catalog, tmp_path: Path) -> None:
    saved = save(catalog)
    kept = save(catalog, newest=43)
    catalog.remove(saved.name)
    assert catalog.manifests() == loaded(tmp_path).manifests() == (kept,)
    assert not catalog.path(saved).exists()


def test_what_is_listed_can_be_asked_while_the_folder_hangs(catalog: Catalog) -> None:
    saved = save(catalog)
    with catalog._changing:  # as a thread holds it that waits for the folder's server
        assert catalog.manifests() == (saved,)
        assert catalog.find(saved.name) == saved
        assert catalog.passed_over == ()


def test_damaged_manifests_are_passed_over_and_the_others_listed(catalog: Catalog, tmp_path: Path) -> None:
    good, changed, torn, foreign = [save(catalog, newest=newest) for newest in range(4)]
    path = {saved: tmp_path / f"{saved.name}.json" for saved in (good, changed, torn, foreign)}
    path[changed].write_text(path[changed].read_text().replace("40", "41"))
    path[torn].write_bytes(path[torn].read_bytes()[:50] + b"\xff")
    path[foreign].write_text(path[good].read_text())
    found = loaded(tmp_path)
    assert found.manifests() == (good,)
    assert [sentence.partition(":")[0] for sentence in found.passed_over] == [
        saved.name for saved in (changed, torn, foreign)
    ]
    assert "checksum" in found.passed_over[0]
    assert "no JSON" in found.passed_over[1]
    assert f"manifest is that of {good.name}" in found.passed_over[2]


def test_a_manifest_without_its_snapshot_is_passed_over(catalog: Catalog, tmp_path: Path) -> None:
    gone, cut = save(catalog, newest=1), save(catalog, newest=2)
    catalog.path(gone).unlink()
    catalog.path(cut).write_bytes(b"all")
    found = loaded(tmp_path)
    assert found.manifests() == ()
    assert found.passed_over == (
        f"{gone.name}: its file is gone",
        f"{cut.name}: its file has 3 bytes, but must have 8",
    )


def test_other_files_are_none_of_the_catalogs(catalog: Catalog, tmp_path: Path) -> None:
    for name in ("epochs.json", "notes.db", "snapshot-of-mine.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "lost+found").mkdir()
    found = loaded(tmp_path)
    assert (found.manifests(), found.passed_over) == ((), ())
    assert catalog.remove_leftovers(-1) == []


def test_a_folder_that_can_not_be_read_changes_nothing(catalog: Catalog, tmp_path: Path) -> None:
    saved = save(catalog)
    tmp_path.rename(tmp_path.with_name("away"))
    with pytest.raises(FileNotFoundError):
        catalog.load()
    assert catalog.manifests() == (saved,)


def test_a_server_that_goes_away_meanwhile_does_not_make_snapshots_vanish(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise OSError(5, "Input/output error")

    saved = save(catalog)
    monkeypatch.setattr(Path, "read_text", fail)
    with pytest.raises(OSError, match="Input/output"):
        catalog.load()
    assert catalog.manifests() == (saved,)


def test_a_snapshot_is_used_only_as_it_was_saved(catalog: Catalog) -> None:
    saved = save(catalog)
    assert catalog.verify(saved) is None
    catalog.path(saved).write_bytes(b"all keyz")
    why = catalog.verify(saved)
    assert why is not None
    assert why.startswith(f"{saved.name}: its sha256 is ")
    catalog.path(saved).write_bytes(b"all key")
    assert catalog.verify(saved) == f"{saved.name}: its file has 7 bytes, but must have 8"
    catalog.path(saved).unlink()
    assert catalog.verify(saved) == f"{saved.name}: its file is gone"


def test_a_snapshot_that_never_got_its_manifest_is_removed_in_time(catalog: Catalog, tmp_path: Path) -> None:
    listed, damaged, fresh, stale = [save(catalog, newest=newest) for newest in range(4)]
    for saved in (fresh, stale):
        files.remove(tmp_path / f"{saved.name}.json")
    (tmp_path / f"{damaged.name}.json").write_text("{")  # somebody may want to look into that
    for saved in (listed, damaged, stale):
        os.utime(catalog.path(saved), (time.time() - 100,) * 2)
    another = loaded(tmp_path)
    assert another.manifests() == (listed,)
    assert another.remove_leftovers(60) == [f"{stale.name}.db"]
    assert not catalog.path(stale).exists()
    assert all(catalog.path(saved).exists() for saved in (listed, damaged, fresh))


def test_a_removal_that_is_cut_short_lists_nothing_broken(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = save(catalog)
    removed: list[Path] = []
    remove = files.remove

    def remove_one(path: Path) -> None:
        if removed:
            raise OSError("the server is away")
        removed.append(path)
        remove(path)

    monkeypatch.setattr(files, "remove", remove_one)
    with pytest.raises(OSError, match="away"):
        catalog.remove(saved.name)
    found = loaded(tmp_path)
    assert catalog.manifests() == found.manifests() == ()
    assert found.passed_over == ()
