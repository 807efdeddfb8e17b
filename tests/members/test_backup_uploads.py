"""Files from somebody's own disk: taken if etcd can be restored from them, and else refused."""

import io
from contextlib import closing
from pathlib import Path

import pytest

from backup.errors import BadSnapshotError
from backup.service import Backup
from tests.members.backing_up import Writer, complete, restore_file, take, view
from tests.members.conftest import StartBackup, StartCluster


def test_uploads(start_cluster: StartCluster, start_backup: StartBackup, tmp_path: Path) -> None:
    cluster = start_cluster()
    backup = start_backup(cluster.endpoints)
    complete(backup)
    with closing(Writer(cluster.endpoints)) as writer:
        writer.goes_on()
        own = take(backup)
        writer.goes_on()
    content = (tmp_path / "volume" / f"{own.name}.db").read_bytes()
    for bad, why in {
        b"garbage" * 1000: "can't be restored",
        content[: len(content) // 2]: "can't be restored",
        content[:-1]: "can't be restored",
        content[:5000] + b"\xff" + content[5001:]: "can't be restored",
    }.items():
        with pytest.raises(BadSnapshotError, match=why):
            upload(backup, bad)
    with pytest.raises(BadSnapshotError, match="3 bytes early"):
        backup.upload(io.BytesIO(content[:-3]), len(content))
    assert [found.reason for found in backup.overview().snapshots if found.reason == "upload"] == []

    taken = backup.upload(io.BytesIO(content), len(content))
    assert (taken.proven, taken.count, taken.reason) == ("yes", own.count, "upload")
    assert view(backup, taken.name).sha256 == own.sha256
    assert restore_file(backup).source == own.name  # "latest" is a state of this deployment
    by_name = restore_file(backup, taken.name)
    assert (by_name.count, by_name.source, by_name.epoch) == (own.count, taken.name, 2)
    whole = backup.open_file(by_name.sha256)
    assert whole is not None
    with whole[0] as file:
        restored = file.read()
    again = backup.upload(io.BytesIO(restored), len(restored))
    assert (again.count, again.epoch) == (own.count, 2)
    assert not any((tmp_path / "volume").glob("*.part"))


def upload(backup: Backup, content: bytes) -> None:
    backup.upload(io.BytesIO(content), len(content))
