"""What clusters change on this machine itself: noted before the first one runs, set back when the last one stops."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from local import files
from local.commands import run
from local.layout import Layout, clusters_locked

# What this machine must allow, and how much at least: to forward for the nodes, to lead 127.0.0.1:NODEPORT to pods, and
# to watch files (each node does it eight times, and 128 are allowed in all unless somebody has set it higher).
SETTINGS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv4/conf/all/route_localnet": 1,
    "fs/inotify/max_user_instances": 1024,
}
KERNEL = Path("/proc/sys")

# `ip netns add` mounts it on itself, for good.
NAMESPACES = Path("/run/netns")


def prepare(layout: Layout, paths: Iterable[Path]) -> None:
    """Change the settings. `paths` are those outside of the cluster's own folders that its programs will make."""
    with clusters_locked():
        layout.run.mkdir(parents=True, exist_ok=True)
        if not _record(layout).exists():
            _note(layout, paths)
        for name, least in SETTINGS.items():
            if int(_setting(name).read_text()) < least:
                _setting(name).write_text(str(least))


def restore(layout: Layout) -> None:
    """Set everything back, unless another cluster runs, which needs it as it is.

    To remove a folder takes away what is mounted on it, in every mount namespace: of another cluster's, too.
    """
    with clusters_locked():
        others = [folder for folder in layout.run.parent.glob("*") if folder.is_dir() and folder != layout.run]
        if others or not _record(layout).exists():
            return
        before = json.loads(_record(layout).read_text())
        for name, value in before["settings"].items():
            _setting(name).write_text(value)
        if not before["namespaces mounted"] and _namespaces_mounted() and not any(NAMESPACES.iterdir()):
            run(["umount", NAMESPACES])
        for path in map(Path, before["missing"]):
            _remove(path)
        _record(layout).unlink()
        _remove(layout.run.parent)


def in_private(folders: Mapping[Path, Path]) -> list[str]:
    """Shell commands that put a folder of one's own in the place of each of this machine's, in one mount namespace."""
    return [f"mkdir -p {own} {shared}; mount --bind {own} {shared}" for shared, own in folders.items()]


def _note(layout: Layout, paths: Iterable[Path]) -> None:
    missing = {parent for path in paths for parent in (path, *path.parents) if not parent.exists()}
    before = {
        "settings": {name: _setting(name).read_text().strip() for name in SETTINGS},
        "namespaces mounted": _namespaces_mounted(),
        "missing": sorted(map(str, missing), reverse=True),  # what is in a folder comes before it
    }
    files.write(_record(layout), json.dumps(before))


def _record(layout: Layout) -> Path:
    return layout.run.parent / "before.json"


def _setting(name: str) -> Path:
    return KERNEL / name


def _namespaces_mounted() -> bool:
    return any(line.split()[1] == str(NAMESPACES) for line in Path("/proc/mounts").read_text().splitlines())


def _remove(path: Path) -> None:
    """Remove a file, or a folder with nothing in it: what is in one that is not empty is somebody else's."""
    with contextlib.suppress(OSError):
        path.rmdir() if path.is_dir() else path.unlink()
