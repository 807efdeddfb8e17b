"""Make a file of what a member has, for a new epoch of which it may be the newest source.

Its folder is copied, and an etcd goes on alone with the copy: the folder stays as it is, for another try. What the
member did not know to be committed is lost by that (--force-new-cluster), so a file is nearly all that it has.
"""

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from member import command, volume
from member.making import MakingError, run
from member.settings import Member
from member.starting import File, Folder

# Where the etcd is reached that goes on with the copy: by this pod alone.
_CLIENT_URL = "http://127.0.0.1:12379"

_START_TIMEOUT = 120.0
_START_INTERVAL = 0.1
_STOP_TIMEOUT = 5.0

# A lease that ends in the copy makes a revision that the member never had. Then it is tried again.
_TRIES = 5

_FIRST_EPOCH = 1


@dataclass(frozen=True)
class Made:
    """A file and where it lies."""

    file: File
    path: Path


def make_file(member: Member, folder: Folder, epoch: int) -> Made:
    """Return the file for an epoch that is to come. Raises MakingError, with why the data are of no use."""
    try:
        for _ in range(_TRIES):
            made = _try(member, folder, epoch)
            if made is not None:
                return made
    except (OSError, ValueError, LookupError) as error:  # what etcdctl prints may be something else
        raise MakingError(str(error) or repr(error)) from error
    finally:
        shutil.rmtree(volume.copy_beside(member.data_dir), ignore_errors=True)
    raise MakingError(f"leases ended in the copy, {_TRIES} times in a row")


def _try(member: Member, folder: Folder, epoch: int) -> Made | None:
    """Returns None if a lease ended meanwhile. Raises MakingError and OSError."""
    copy, path = volume.copy_beside(member.data_dir), volume.saved_beside(member.data_dir)
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(member.data_dir, copy)
    with _going_on_alone(copy):
        revision = _revision()
        if "CORRUPT" in _control("alarm", "list"):
            raise MakingError("its data are corrupt: a CORRUPT alarm stands in them")
        _control("alarm", "disarm")
        of = _epoch(folder)
        put = json.loads(_control("put", "epoch", str(epoch), "--write-out=json"))
        if put["header"]["revision"] != revision + 1:
            return None
        _control("snapshot", "save", str(path))
    return Made(File(_sha256(path), epoch, f"member {member.number}", of, revision), path)


@contextmanager
def _going_on_alone(folder: Path) -> Iterator[None]:
    """Have an etcd run on `folder`. Raises MakingError if it does not start."""
    with subprocess.Popen(
        command.begin_alone(folder, _CLIENT_URL), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        try:
            _wait_until_started(process)
            yield
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_started(process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < end:
        if process.poll() is not None:
            raise MakingError(f"etcd can't go on with its data: it ended with exit code {process.returncode}")
        try:
            if _status()["leader"]:
                return
        except MakingError:
            pass  # not yet
        time.sleep(_START_INTERVAL)
    raise MakingError(f"etcd did not go on with its data within {_START_TIMEOUT:.0f} s")


def _revision() -> int:
    return int(_status()["header"]["revision"])


def _status() -> Any:  # noqa: ANN401 - of etcdctl's JSON
    return json.loads(_control("endpoint", "status", "--write-out=json"))[0]["Status"]


def _epoch(folder: Folder) -> int:
    """Which epoch the data are of: what they say, or else where they were made."""
    told = _control("get", "epoch", "--print-value-only").strip()
    if told.isdigit():
        return int(told)
    return folder.marker.epoch if folder.marker is not None else _FIRST_EPOCH


def _control(*arguments: str) -> str:
    return run(command.ETCDCTL, f"--endpoints={_CLIENT_URL}", *arguments)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
