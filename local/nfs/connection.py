"""A connection to an NFS server that outlives the server's absence.

nfs-rs's client is of no use any more once the server was restarted. It is replaced then, and what it was to do is done
by its successor, until the time is up that mount options give to the server.
"""

import errno
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from nfs_rs import Client, NfsError, NfsInvalidInputError, NfsModeError, NfsUnsupportedError

from local.nfs.mount_options import Mount

RETRY_INTERVAL = 0.25

T = TypeVar("T")

log = logging.getLogger(__name__)


class Connection:
    """Whom to ask for the files of a server. Can be used by several threads at a time."""

    def __init__(self, connect: Callable[[float], Client], timeout: float, patience: float) -> None:
        """`connect` makes a client within so many seconds, or raises what nfs-rs does."""
        self._connect = connect
        self._timeout = timeout
        self._patience = patience
        self._connecting = threading.Lock()
        self._client: Client | None = None
        self._away = False

    def call(self, action: Callable[[Client], T]) -> T:
        """What the action returns; it may be tried several times.

        Raises OSError with what the server says of it, or with EIO if the server says nothing in time.
        """
        deadline = time.monotonic() + self._patience
        while True:
            client = None
            try:
                client = self._connected(deadline)
                result = action(client)
            except (NfsError, OSError) as error:
                number = answer(error)
                if number is not None:
                    raise OSError(number, os.strerror(number)) from error
                self._lose(client, error)
                if time.monotonic() + RETRY_INTERVAL > deadline:
                    raise OSError(errno.EIO, os.strerror(errno.EIO)) from error
                time.sleep(RETRY_INTERVAL)
            else:
                self._found()
                return result

    def change(self, action: Callable[[Client], None], done: type[OSError]) -> None:
        """The same for what can't be done twice: a second try that fails with `done` finds that the first was done."""
        tries = 0

        def attempt(client: Client) -> None:
            nonlocal tries
            tries += 1
            try:
                action(client)
            except done:
                if tries == 1:
                    raise

        self.call(attempt)

    def _connected(self, deadline: float) -> Client:
        """The client; one thread makes a new one, and others wait for it no longer than for the server."""
        left = max(deadline - time.monotonic(), RETRY_INTERVAL)
        if not self._connecting.acquire(timeout=min(left, threading.TIMEOUT_MAX)):
            raise TimeoutError("no connection in time")
        try:
            if self._client is None:
                self._client = self._connect(min(left, self._timeout))
            return self._client
        finally:
            self._connecting.release()

    def _lose(self, client: Client | None, error: Exception) -> None:
        # Without the lock, which whoever connects may hold for long: at worst, one connection more is made.
        if client is not None and self._client is client:
            self._client = None
        if not self._away:
            self._away = True
            log.warning("the server does not answer as it should: %s", error)

    def _found(self) -> None:
        if self._away:
            self._away = False
            log.warning("the server answers again")


def to_server(mount: Mount) -> Connection:
    """For all but its free space. nfs-rs can't look at the folder that it connects to, so that is the server's root."""
    return _connection(mount, "")


def to_export(mount: Mount) -> Connection:
    """For its free space, which is that of the folder that one connects to."""
    return _connection(mount, mount.path)


def _connection(mount: Mount, path: str) -> Connection:
    def connect(seconds: float) -> Client:
        return Client.connect(
            f"nfs://{mount.host}/{path}",
            versions=["4.1"],
            nfs_port=mount.port,
            noresvport=not mount.reserved_port,
            connect_timeout=seconds,
            operation_timeout=mount.timeout,
        )

    return Connection(connect, mount.timeout, mount.patience)


def answer(error: Exception) -> int | None:
    """The number of the error that the server answered with, or None where it did not answer, or of a lost session."""
    if isinstance(error, NfsUnsupportedError):
        return errno.ENOTSUP
    if isinstance(error, NfsInvalidInputError | NfsModeError):
        return errno.EINVAL
    if isinstance(error, TimeoutError | ConnectionError) or not isinstance(error, OSError):
        return None
    # A stale handle is one of a file that went away, or of a server before: the path says which.
    return error.errno if error.errno != errno.ESTALE else None
