import subprocess
from pathlib import Path

import pytest

from local import host
from local.layout import Layout


@pytest.fixture(autouse=True)
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose kernel allows nothing."""
    folder = tmp_path / "sys"
    for name in host.SETTINGS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("0\n")
    monkeypatch.setattr(host, "KERNEL", folder)
    monkeypatch.setattr(host, "NAMESPACES", tmp_path / "netns")
    return folder


@pytest.fixture
def cluster() -> Layout:
    return Layout("one", 0)


@pytest.fixture
def other() -> Layout:
    return Layout("two", 1)


UNCHANGED, CHANGED = ["0", "0", "0"], ["1", "1", "1024"]


def stop(cluster: Layout) -> None:
    cluster.run.rmdir()
    host.restore(cluster)


def settings(kernel: Path) -> list[str]:
    return [(kernel / name).read_text().strip() for name in host.SETTINGS]


def test_settings_are_changed_and_set_back(kernel: Path, cluster: Layout) -> None:
    host.prepare(cluster, [])
    assert settings(kernel) == CHANGED

    stop(cluster)
    assert settings(kernel) == UNCHANGED
    assert not cluster.run.parent.exists()


def test_what_is_enough_already_is_not_changed(kernel: Path, cluster: Layout) -> None:
    (kernel / "fs/inotify/max_user_instances").write_text("65536\n")

    host.prepare(cluster, [])

    assert settings(kernel) == ["1", "1", "65536"]


def test_the_last_cluster_sets_them_back(kernel: Path, cluster: Layout, other: Layout) -> None:
    host.prepare(cluster, [])
    host.prepare(other, [])

    stop(cluster)
    assert settings(kernel) == CHANGED

    stop(other)
    assert settings(kernel) == UNCHANGED


def test_what_the_programs_made_is_removed(tmp_path: Path, cluster: Layout) -> None:
    (tmp_path / "etc").mkdir()
    key, folder = tmp_path / "etc/engine/key", tmp_path / "opt/engine/plugins"
    host.prepare(cluster, [key, folder])
    key.parent.mkdir()
    key.touch()
    folder.mkdir(parents=True)

    stop(cluster)

    assert (tmp_path / "etc").is_dir()
    assert not (tmp_path / "etc/engine").exists()
    assert not (tmp_path / "opt").exists()


def test_what_was_there_before_stays(tmp_path: Path, cluster: Layout) -> None:
    key, folder = tmp_path / "key", tmp_path / "folder"
    key.touch()
    folder.mkdir()
    host.prepare(cluster, [key, folder])

    stop(cluster)

    assert key.exists()
    assert folder.exists()


def test_what_somebody_else_uses_stays(tmp_path: Path, cluster: Layout) -> None:
    folder = tmp_path / "folder"
    host.prepare(cluster, [folder])
    folder.mkdir()
    (folder / "theirs").touch()

    stop(cluster)

    assert (folder / "theirs").exists()


def test_a_cluster_that_was_cut_off_does_not_pass_for_the_machine(kernel: Path, cluster: Layout) -> None:
    host.prepare(cluster, [])
    host.prepare(cluster, [])

    stop(cluster)

    assert settings(kernel) == UNCHANGED


def test_without_a_record_nothing_is_changed(kernel: Path, cluster: Layout) -> None:
    host.restore(cluster)

    assert settings(kernel) == UNCHANGED


def test_the_commands_for_private_folders_make_both(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.write_text('#!/bin/sh\necho "$@"\n')
    mount.chmod(0o755)
    shared, own = tmp_path / "shared/folder", tmp_path / "own/folder"
    script = "; ".join(["set -e", f"PATH={tmp_path}:$PATH", *host.in_private({shared: own})])

    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["--bind", str(own), str(shared)]
    assert shared.is_dir()
    assert own.is_dir()
