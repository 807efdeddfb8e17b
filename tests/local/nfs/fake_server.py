"""An NFS server in memory, as nfs-rs's clients see it: it can be away, and forgets them when it is started anew."""

import errno
from collections.abc import Iterator
from typing import cast

from nfs_rs import Client, FileInfo, FileType, FsStat, NfsNotFoundError, NfsOperationOutcomeError, NfsOSError

from local.nfs.connection import Connection

TIMEOUT = 0.2
PATIENCE = 0.1


class FakeServer:
    """Files by their paths on the server. What is asked of it is noted."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.folders = {"export"}
        self.asked: list[str] = []
        self.connections = 0
        self.away = False
        self.starts = 0
        self.answers_lost = 0  # of how many changes that it will make the answer does not arrive
        self.full = False

    def restart(self) -> None:
        self.starts += 1

    def connect(self, _seconds: float) -> Client:
        if self.away:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        self.connections += 1
        return cast(Client, FakeClient(self))

    def connection(self, patience: float = PATIENCE) -> Connection:
        return Connection(self.connect, TIMEOUT, patience)


class FakeClient:
    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self._start = server.starts

    def ask(self, what: str) -> None:
        """Waits in vain while the server is away. After a restart, a client of before gets no answers any more."""
        self._server.asked.append(what)
        if self._server.away:
            raise TimeoutError("deadline exceeded")
        if self._start != self._server.starts:
            raise NfsOperationOutcomeError(message="recovery=Retry")

    def done(self) -> None:
        if self._server.answers_lost:
            self._server.answers_lost -= 1
            raise TimeoutError("deadline exceeded")

    def stat(self, path: str) -> FileInfo:
        self.ask(f"stat {path}")
        if path in self._server.folders:
            return info(path, FileType.DIRECTORY, 0)
        return info(path, FileType.FILE, len(self.content(path)))

    def content(self, path: str) -> bytes:
        if path not in self._server.files:
            raise NfsNotFoundError(message="no such file", errno=errno.ENOENT)
        return self._server.files[path]

    def scandir(self, path: str) -> Iterator["Entry"]:
        self.ask(f"scandir {path}")
        for name in sorted(self._server.files):
            if name.startswith(f"{path}/"):
                yield Entry(name.removeprefix(f"{path}/"), self.stat(name))

    def unlink(self, path: str) -> None:
        self.ask(f"unlink {path}")
        self.content(path)
        del self._server.files[path]
        self.done()

    def rename(self, old: str, new: str) -> None:
        self.ask(f"rename {old} {new}")
        self._server.files[new] = self.content(old)
        del self._server.files[old]
        self.done()

    def mkdir(self, path: str, _mode: int) -> None:
        self.ask(f"mkdir {path}")
        if path in self._server.folders:
            raise FileExistsError(errno.EEXIST, "exists")
        self._server.folders.add(path)
        self.done()

    def chmod(self, path: str, mode: int) -> None:
        self.ask(f"chmod {path} {mode:o}")

    def chown(self, path: str, user: int, group: int) -> None:
        self.ask(f"chown {path} {user} {group}")

    def truncate(self, path: str, size: int) -> None:
        self.ask(f"truncate {path} {size}")
        self._server.files[path] = self.content(path)[:size].ljust(size, b"\0")

    def utime(self, path: str, *, ns: tuple[int, int]) -> None:
        self.ask(f"utime {path} {ns[0]} {ns[1]}")

    def fs_stat(self) -> FsStat:
        self.ask("fs_stat")
        return FsStat(1 << 20, 1 << 19, 1 << 18, 100, 50, 50, 0)

    def open(self, path: str, mode: str) -> "FakeFile":
        self.ask(f"open {path} {mode}")
        if mode == "ab":
            self._server.files.setdefault(path, b"")
        self.content(path)
        return FakeFile(self, self._server, path)


class FakeFile:
    def __init__(self, client: FakeClient, server: FakeServer, path: str) -> None:
        self._client = client
        self._server = server
        self._path = path

    def read_at(self, offset: int, size: int) -> bytes:
        self._client.ask(f"read {self._path}")
        return self._client.content(self._path)[offset : offset + size]

    def write_at(self, data: bytes, offset: int) -> int:
        self._client.ask(f"write {self._path}")
        if self._server.full:
            raise NfsOSError(message="no space", errno=errno.ENOSPC)
        before = self._client.content(self._path).ljust(offset, b"\0")
        self._server.files[self._path] = before[:offset] + data + before[offset + len(data) :]
        self._client.done()
        return len(data)

    def close(self) -> None:
        self._client.ask(f"close {self._path}")


class Entry:
    def __init__(self, name: str, info: FileInfo) -> None:
        self.name = name
        self.info = info


def info(path: str, kind: FileType, size: int) -> FileInfo:
    return FileInfo(
        path=path,
        type=kind,
        mode=0o640,
        nlink=1,
        uid=65532,
        gid=65533,
        size=size,
        used=size,
        fsid=1,
        fileid=1,
        atime=1,
        mtime=2,
        ctime=3,
        owner=None,
        group=None,
    )
