"""Where a node's mount(8) finds the NFS client: beside this machine's own programs, seen in the node alone."""

import shlex
import sys
from pathlib import Path

from local import cgroups, daemons, files
from local.errors import LocalError
from local.layout import Layout, Node

FUSE = Path("/dev/fuse")

# mount(8) looks here for what mounts a file system of another type, and nowhere else.
PROGRAMS = Path("/sbin")
NAMES = ("mount.nfs", "mount.nfs4")


def require_fuse() -> None:
    """Raises LocalError unless this machine has FUSE, through which nodes mount NFS volumes."""
    try:
        FUSE.open("rb").close()  # which loads the kernel's module, if there is one
    except OSError as error:
        raise LocalError(
            f"{FUSE}: {error.strerror}; nodes mount NFS volumes through it: load it with `modprobe fuse` as root, "
            "or, in a container, have it given to you"
        ) from error


def script(layout: Layout, node: Node) -> str:
    """The program that mount(8) runs on the node.

    It enters a control group of the cluster's, so that it outlives the kubelet, but not the cluster. It may come from
    another: where there is systemd, the kubelet lets that start what mounts.
    """
    entries = " ".join(shlex.quote(str(file)) for file in cgroups.entry_files(_group(layout, node)))
    environment = {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "FUSE_LIBRARY_NAME": "fuse3",  # there may be one of FUSE 2, too
        "MALLOC_ARENA_MAX": "2",  # else each thread's freed memory stays with it
    }
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    log = daemons.log_file(layout, f"nfs-{node.name}")
    return f"""\
#!/bin/sh
for entry in {entries}; do echo $$ > "$entry" || exit 32; done
exec env {settings} {shlex.quote(sys.executable)} -m local.nfs --log={shlex.quote(str(log))} "$@"
"""


def provide(layout: Layout, node: Node) -> list[str]:
    """Shell commands that make the program one of this machine's, in one mount namespace.

    They lay a folder over the one that is there, so that nothing is written to that.
    """
    cgroups.create(_group(layout, node))
    own, text = node.folder / "programs", script(layout, node)
    for file in (own / name for name in NAMES):
        if not file.exists() or file.read_text() != text:  # what is laid over already must stay as it is
            files.write(file, text, mode=0o755)
    there = PROGRAMS.resolve()
    return [f"mount -t overlay -o ro,lowerdir={own}:{there} programs {there}"]


def _group(layout: Layout, node: Node) -> str:
    return daemons.group(layout, f"nfs-{node.name}")
