"""A scratch etcd: one member of its own on this machine that holds what a snapshot holds, to be looked at, changed and
thrown away.

It does without syncing to disk, and gets only the processor time that nobody else wants. Leases would end in it, though
their owners live: what they delete then would be revisions that the original never had. So all are kept alive. Alarms
of the original are in the database, and would stand in it and in all that is restored from it (etcd-io/etcd #14379):
they are taken back.
"""

import contextlib
import json
import logging
import os
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from etcd.channel import to_socket
from etcd.errors import EtcdRefusedError, EtcdUnavailableError
from etcd.member import Member

_log = logging.getLogger(__name__)

# Seconds for a start. It takes less than one, on a busy machine some, with a large database more.
START_TIMEOUT = 120.0
_START_INTERVAL = 0.05
_STOP_TIMEOUT = 5.0

# Seconds between two looks for leases that are due: when a quarter of their time is over. etcd grants no less than 2 s.
KEEPALIVE_INTERVAL = 0.5
_DUE_AFTER = 0.25

_OPTIONS = (
    "--unsafe-no-fsync",
    # The end of one lease of records deletes thousands of keys in one revision, which the replay is one transaction of.
    "--max-txn-ops=1000000",
    "--max-request-bytes=268435456",
    # As much as etcd recommends at most: what the members' own quota let in has room here.
    f"--quota-backend-bytes={8 << 30}",
    "--enable-grpc-gateway=false",
    "--log-level=warn",
)


# What is started ends with this process, whatever ends that.
_IN_BACKGROUND = ("nice", "-n19", "setpriv", "--pdeathsig=KILL")

# To be exact, it ends with the thread that started it (setpriv), which so must be one that stays.
_starter = ThreadPoolExecutor(1, "scratch-starter")


class ScratchError(Exception):
    """A scratch etcd could not be made of a file, or ended. The text says why."""


class Scratch:
    """The member, and the process behind it."""

    def __init__(self, folder: Path, snapshot: Path, bump: int = 0) -> None:
        """Start it in a folder that is made for it, from a snapshot, with `bump` added to its revision.

        Raises ScratchError.
        """
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _restore(folder, snapshot, bump)
        self._process = _starter.submit(_start, folder).result()
        # In the folder that it runs in, for a socket's path may have 107 characters at most.
        self.member = Member(to_socket(str(folder / "client")))
        self._stopping = threading.Event()
        self._due: dict[int, float] = {}  # when each lease is
        try:
            self._wait_until_started()
            self._keep_leases_alive()
            self.member.disarm_all()
        except BaseException:
            self.close()
            raise
        self._keepalive = threading.Thread(target=self._keep_alive, name="scratch-leases", daemon=True)
        self._keepalive.start()

    def close(self) -> None:
        """End it, and remove its folder."""
        self._stopping.set()
        self.member.close()
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def save(self, target: Path) -> None:
        """Write a snapshot of it to a file. Raises EtcdUnavailableError and OSError."""
        with target.open("wb") as file:
            for part in self.member.snapshot():
                file.write(part)

    def _wait_until_started(self) -> None:
        end = time.monotonic() + START_TIMEOUT
        while True:
            with contextlib.suppress(EtcdUnavailableError):
                if self.member.status().leader:
                    return
            if self._process.poll() is not None:
                raise ScratchError(f"etcd ended with exit code {self._process.returncode}: {_last_lines(self._folder)}")
            if time.monotonic() > end:
                raise ScratchError(f"etcd did not start within {START_TIMEOUT:.0f} s: {_last_lines(self._folder)}")
            time.sleep(_START_INTERVAL)

    def _keep_alive(self) -> None:
        while not self._stopping.wait(KEEPALIVE_INTERVAL):
            try:
                self._keep_leases_alive()
            except (EtcdUnavailableError, EtcdRefusedError) as error:
                # A lease that ends for it shifts the revisions, which the replay notices.
                if not self._stopping.is_set():
                    _log.warning("the scratch etcd's leases are not kept alive: %s", error)

    def _keep_leases_alive(self) -> None:
        now = time.monotonic()
        self._due = {lease: self._due.get(lease, now) for lease in self.member.leases()}
        due = [lease for lease, at in self._due.items() if at <= now]
        if due:
            lasting = self.member.keep_alive(due)
            self._due |= {lease: now + seconds * _DUE_AFTER for lease, seconds in lasting.items()}


def newest_revision(snapshot: Path) -> int:
    """The newest revision that a snapshot holds, from the file itself. Raises ScratchError if it is no snapshot."""
    told = _run("etcdutl", "snapshot", "status", snapshot, "--write-out=json")
    return max(1, int(json.loads(told)["revision"]))  # an etcd that was never written to says 1, its file 0


def _restore(folder: Path, snapshot: Path, bump: int) -> None:
    bumped = [f"--bump-revision={bump}", "--mark-compacted"] if bump else []
    _run(
        "etcdutl",
        "snapshot",
        "restore",
        snapshot,
        f"--data-dir={folder / 'data'}",
        "--name=scratch",
        "--initial-cluster=scratch=http://localhost:2380",
        "--initial-advertise-peer-urls=http://localhost:2380",
        *bumped,
    )


def _start(folder: Path) -> subprocess.Popen[bytes]:
    command = [
        *_IN_BACKGROUND,
        "etcd",
        "--name=scratch",
        f"--data-dir={folder / 'data'}",
        # Sockets in the folder that it runs in: no port is taken, and nobody else gets in.
        "--listen-client-urls=unix://client",
        "--advertise-client-urls=http://localhost:2379",  # it must be one of TCP; nobody looks there
        "--listen-peer-urls=unix://peer",
        *_OPTIONS,
    ]
    environment = {"PATH": os.environ["PATH"], "GOMAXPROCS": "1"}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )


def _run(*command: str | Path) -> str:
    words = [*_IN_BACKGROUND, *map(str, command)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise ScratchError(f"{command[0]} refuses it: {done.stderr.strip()[-300:]}")
    return done.stdout


def _last_lines(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace").strip()[-300:]
