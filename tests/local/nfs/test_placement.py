import subprocess
import sys
from pathlib import Path

import pytest

from local import cgroups
from local.errors import LocalError
from local.layout import Layout
from local.nfs import placement


@pytest.fixture(autouse=True)
def control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One hierarchy of control groups."""
    root = tmp_path / "cgroup"
    root.mkdir()
    monkeypatch.setattr(cgroups, "hierarchies", lambda: [root])
    return root


def test_the_program_enters_the_clusters_group_and_then_mounts(
    cluster: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, control_groups: Path
) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$FUSE_LIBRARY_NAME $PYTHONPATH"\necho "$*"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    placement.provide(cluster, cluster.nodes[0])
    program = cluster.nodes[0].folder / "programs/mount.nfs"

    command = [str(program), "server:/a b", "/mnt", "-o", "rw,soft"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    first, second = done.stdout.splitlines()
    assert first == f"fuse3 {Path(__file__).parents[3]}"
    assert second == f"-m local.nfs --log={cluster.logs}/nfs-node1.log server:/a b /mnt -o rw,soft"
    entered = control_groups / "ha-counter/test/daemons/nfs-node1/cgroup.procs"
    assert int(entered.read_text()) > 0


def test_without_its_group_it_does_not_mount(cluster: Layout, tmp_path: Path) -> None:
    program = tmp_path / "mount.nfs"
    program.write_text(placement.script(cluster, cluster.nodes[0]))

    assert subprocess.run(["sh", program, "--help"], capture_output=True).returncode == 32


def test_it_is_laid_over_the_machines_programs(
    cluster: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "sbin").symlink_to("usr/sbin")
    monkeypatch.setattr(placement, "PROGRAMS", tmp_path / "sbin")
    own = cluster.nodes[0].folder / "programs"

    [command] = placement.provide(cluster, cluster.nodes[0])

    there = tmp_path / "usr/sbin"
    assert command == f"mount -t overlay -o ro,lowerdir={own}:{there} programs {there}"
    assert {file.name for file in own.iterdir()} == {"mount.nfs", "mount.nfs4"}
    assert not list(there.iterdir())


def test_what_is_laid_over_already_is_not_written_again(cluster: Layout) -> None:
    placement.provide(cluster, cluster.nodes[0])
    file = cluster.nodes[0].folder / "programs/mount.nfs"
    before = file.stat()

    placement.provide(cluster, cluster.nodes[0])

    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_a_machine_without_fuse_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "FUSE", tmp_path / "fuse")

    with pytest.raises(LocalError, match=r"fuse: No such file or directory; .* `modprobe fuse`"):
        placement.require_fuse()


def test_one_that_has_it_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "FUSE", tmp_path / "fuse")
    (tmp_path / "fuse").touch()

    placement.require_fuse()
