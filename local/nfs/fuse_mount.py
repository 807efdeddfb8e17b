"""Show the folder of an NFS server at a mount point, through FUSE, until it is unmounted."""

import errno
from collections.abc import Callable
from dataclasses import replace

import mfusepy  # type: ignore[import-untyped]
from nfs_rs import FileType

from local.nfs import connection
from local.nfs.filesystem import Filesystem
from local.nfs.mount_options import Mount, MountError


def serve(mount: Mount, mounted: Callable[[], None]) -> None:
    """Call `mounted` once it is, and return when it is no more. Raises MountError if it can't be mounted."""
    require_folder(mount)
    filesystem = Filesystem(
        connection.to_server(mount), connection.to_export(mount), mount.path, mounted=mounted, caller=_caller
    )
    try:
        mfusepy.FUSE(
            filesystem,
            mount.target,
            foreground=True,
            fsname=mount.source,
            subtype="nfs",
            # For the pods' users, too; the kernel holds them to the files' modes.
            allow_other=True,
            default_permissions=True,
            **dict.fromkeys(mount.kernel_options, True),
        )
    except RuntimeError as error:
        raise MountError(f"{mount.target}: FUSE failed with exit code {error}") from error


def require_folder(mount: Mount) -> None:
    """Raises MountError unless the server has the folder. However hard the mount, it has to answer for that."""
    try:
        found = connection.to_server(replace(mount, soft=True)).call(lambda client: client.stat(mount.path))
    except OSError as error:
        silent = error.errno == errno.EIO
        why = f"{mount.host} port {mount.port} does not serve NFS 4.1: {error.__cause__}" if silent else error.strerror
        raise MountError(f"{mount.source}: {why}") from error
    if found.type is not FileType.DIRECTORY:
        raise MountError(f"{mount.source}: no folder, but a {found.type.value}")


def _caller() -> tuple[int, int]:
    user, group, _ = mfusepy.fuse_get_context()
    return user, group
