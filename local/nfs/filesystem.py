"""The file system that programs see: what they ask of the kernel is asked of the NFS server.

Data that was written is on the server's disk when write(2) returns, so that there is nothing left for fsync(2) to do.
The server knows one user only, the one that runs this program; what is made is handed to the user that made it.
"""

import contextlib
import itertools
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator

from nfs_rs import Client, File, FileInfo, FileType, NfsError

from local.nfs.connection import Connection

BLOCK = 4096
NAME_MAX = 255

# What utimensat(2) passes in the place of nanoseconds.
UTIME_NOW = 0x3FFFFFFF
UTIME_OMIT = 0x3FFFFFFE

FORMATS = {
    FileType.FILE: stat.S_IFREG,
    FileType.DIRECTORY: stat.S_IFDIR,
    FileType.SYMLINK: stat.S_IFLNK,
    FileType.BLOCK_DEVICE: stat.S_IFBLK,
    FileType.CHARACTER_DEVICE: stat.S_IFCHR,
    FileType.FIFO: stat.S_IFIFO,
    FileType.SOCKET: stat.S_IFSOCK,
}


class OpenFile:
    """A file that a program has open. With another client it is opened anew."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._opening = threading.Lock()
        self._client: Client | None = None
        self._file: File | None = None

    def on(self, client: Client, path: str) -> File:
        """The client's open file, which is at `path` now."""
        with self._opening:
            if self._file is None or self._client is not client:
                self._file = client.open(path, self._mode)
                self._client = client
            return self._file

    def close(self) -> None:
        with contextlib.suppress(NfsError, OSError):  # it was the last use; a lost session has nothing to close
            if self._file is not None:
                self._file.close()


class Filesystem:
    """The operations, named as libfuse names them. Paths come as they are below the mount point."""

    use_ns = True  # times in nanoseconds

    def __init__(
        self,
        files: Connection,
        space: Connection,
        root: str,
        mounted: Callable[[], None],
        caller: Callable[[], tuple[int, int]],
    ) -> None:
        """`root` is the folder's path on the server; `caller` tells the user and group that an operation is for."""
        self._files = files
        self._space = space
        self._root = root
        self._mounted = mounted
        self._caller = caller
        self._open: dict[int, OpenFile] = {}
        self._numbers = itertools.count(1)

    def init(self, _path: str) -> None:
        self._mounted()

    # Names and what is known of them

    def getattr(self, path: str, _number: int | None = None) -> dict[str, int]:
        return _attributes(self._files.call(lambda client: client.stat(self._at(path))))

    def readdir(self, path: str, _number: int) -> Iterator[tuple[str, int, int]]:
        entries = self._files.call(lambda client: list(client.scandir(self._at(path))))
        for name in (".", ".."):
            yield name, stat.S_IFDIR, 0
        for entry in entries:
            yield entry.name, _mode(entry.info), 0

    def readlink(self, path: str) -> str:
        return self._files.call(lambda client: client.readlink(self._at(path)))

    def statfs(self, _path: str) -> dict[str, int]:
        space = self._space.call(lambda client: client.fs_stat())
        return {
            "f_bsize": BLOCK,
            "f_frsize": BLOCK,
            "f_blocks": space.total_bytes // BLOCK,
            "f_bfree": space.free_bytes // BLOCK,
            "f_bavail": space.available_bytes // BLOCK,
            "f_files": space.total_files,
            "f_ffree": space.free_files,
            "f_favail": space.available_files,
            "f_namemax": NAME_MAX,
        }

    # Changes of names

    def mkdir(self, path: str, mode: int) -> None:
        self._files.change(lambda client: client.mkdir(self._at(path), mode), done=FileExistsError)
        self._hand_over(path, mode)

    def symlink(self, path: str, target: str) -> None:
        self._files.change(lambda client: client.symlink(target, self._at(path)), done=FileExistsError)

    def link(self, path: str, existing: str) -> None:
        self._files.change(lambda client: client.link(self._at(existing), self._at(path)), done=FileExistsError)

    def rename(self, old: str, new: str) -> None:
        self._files.change(lambda client: client.rename(self._at(old), self._at(new)), done=FileNotFoundError)

    def unlink(self, path: str) -> None:
        self._files.change(lambda client: client.unlink(self._at(path)), done=FileNotFoundError)

    def rmdir(self, path: str) -> None:
        self._files.change(lambda client: client.rmdir(self._at(path)), done=FileNotFoundError)

    # Changes of what is known of them

    def chmod(self, path: str, mode: int) -> None:
        self._files.call(lambda client: client.chmod(self._at(path), stat.S_IMODE(mode)))

    def chown(self, path: str, user: int, group: int) -> None:
        self._files.call(lambda client: client.chown(self._at(path), user, group))

    def truncate(self, path: str, size: int, _number: int | None = None) -> None:
        self._files.call(lambda client: client.truncate(self._at(path), size))

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        def set_times(client: Client) -> None:
            before = client.stat(self._at(path))
            accessed, modified = times or (UTIME_NOW, UTIME_NOW)
            client.utime(self._at(path), ns=(_moment(accessed, before.atime), _moment(modified, before.mtime)))

        self._files.call(set_times)

    # Files

    def create(self, path: str, mode: int, flags: int) -> int:
        # Not "w": another node may have made it just now, and written to it.
        self._files.call(lambda client: client.open(self._at(path), "ab").close())
        self._hand_over(path, mode)
        return self.open(path, flags)

    def open(self, path: str, flags: int) -> int:
        file = OpenFile("rb" if flags & os.O_ACCMODE == os.O_RDONLY else "r+b")
        self._files.call(lambda client: file.on(client, self._at(path)))
        if flags & os.O_TRUNC:
            self.truncate(path, 0)
        number = next(self._numbers)
        self._open[number] = file
        return number

    def read(self, path: str, size: int, offset: int, number: int) -> bytes:
        file = self._open[number]
        return self._files.call(lambda client: file.on(client, self._at(path)).read_at(offset, size))

    def write(self, path: str, data: bytes, offset: int, number: int) -> int:
        file = self._open[number]
        return self._files.call(lambda client: file.on(client, self._at(path)).write_at(data, offset))

    def fsync(self, _path: str, _data_only: int, _number: int) -> None:
        """Each write was acknowledged by the server's disk."""

    def release(self, _path: str, number: int) -> None:
        self._open.pop(number).close()

    def _at(self, path: str) -> str:
        """The path on the server."""
        return self._root + path.rstrip("/")

    def _hand_over(self, path: str, mode: int) -> None:
        """Give what was made to the caller, if the server lets us: it may know one user only, who has it then."""
        user, group = self._caller()
        with contextlib.suppress(PermissionError):
            self.chmod(path, mode)
            self.chown(path, user, group)


def _mode(info: FileInfo) -> int:
    return FORMATS.get(info.type, 0) | stat.S_IMODE(info.mode)


def _attributes(info: FileInfo) -> dict[str, int]:
    return {
        "st_mode": _mode(info),
        "st_nlink": info.nlink,
        "st_uid": info.uid,
        "st_gid": info.gid,
        "st_size": info.size,
        "st_blocks": -(-info.used // 512),
        "st_blksize": BLOCK,
        "st_atime": info.atime,
        "st_mtime": info.mtime,
        "st_ctime": info.ctime,
    }


def _moment(nanoseconds: int, before: int) -> int:
    if nanoseconds == UTIME_NOW:
        return time.time_ns()
    return before if nanoseconds == UTIME_OMIT else nanoseconds
