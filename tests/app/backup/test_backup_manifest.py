from datetime import timedelta, timezone

import pytest

from backup.manifest import NAME, Manifest, ManifestError, Proof, new_name
from backup.sealed import seal, unseal
from tests.app.backup.samples import CLUSTER, NOW, manifest


@pytest.mark.parametrize("proof", [Proof(), Proof("proven", at=NOW), Proof("failed", "the counts differ", NOW)])
def test_what_is_written_is_read_again(proof: Proof) -> None:
    written = manifest(source="snapshot-before", bump=10**9, proof=proof)
    assert Manifest.from_json(written.to_json()) == written


def test_a_restored_clusters_revisions_are_those_of_the_file_and_the_bump() -> None:
    assert manifest(42, bump=1000).newest == 1042


def test_only_what_a_cluster_here_was_in_has_lived() -> None:
    assert manifest().lived
    assert not manifest(cluster=0, reason="restore").lived
    assert not manifest(cluster=CLUSTER, reason="upload").lived


def test_names_differ_and_sort_by_epoch_and_revision() -> None:
    names = [new_name("snapshot", epoch, newest, NOW) for epoch, newest in [(1, 9), (1, 10), (2, 3)]]
    assert names == sorted(names)
    assert all(NAME.fullmatch(name) for name in names)
    assert names[0].startswith("snapshot-E000001-R00000000000000000009-20260304T123000Z-")
    assert len({new_name("restore", 1, 9, NOW) for _ in range(20)}) > 1


def test_a_name_has_the_time_in_utc() -> None:
    assert "-20260304T123000Z-" in new_name("snapshot", 1, 1, NOW.astimezone(timezone(timedelta(hours=5))))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "../../etc/passwd"),
        ("name", "snapshot-E000001-R00000000000000000042-20260304T123000Z-9f3c\n"),
        ("name", None),
        ("time", "yesterday"),
        ("time", "2026-03-04T12:30:00"),
        ("reason", 7),
        ("epoch", "1"),
        ("revision", -1),
        ("count", True),
        ("size", 1.5),
        ("cluster", "0x1"),
        ("sha256", "ab"),
        ("proof", None),
    ],
)
def test_what_can_not_be_is_named_with_its_value(key: str, value: object) -> None:
    content = unseal(manifest().to_json()) | {key: value}
    with pytest.raises(ManifestError, match=f"^{key} is ") as error:
        Manifest.from_json(seal(content))
    assert repr(value) in str(error.value)


def test_a_state_of_proof_that_there_is_not_is_refused() -> None:
    content = unseal(manifest().to_json()) | {"proof": {"state": "likely", "detail": "", "at": None}}
    with pytest.raises(ManifestError, match="likely"):
        Manifest.from_json(seal(content))


def test_a_changed_manifest_is_refused() -> None:
    with pytest.raises(ManifestError, match="checksum"):
        Manifest.from_json(manifest().to_json().replace('"count": 40', '"count": 41'))
