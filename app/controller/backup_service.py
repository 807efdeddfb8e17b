"""Backup, over HTTP: what it can restore, and the files that it is asked to make."""

import json
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request

from controller.actions import MakeFile
from controller.facts import Backup, Chain
from controller.surroundings import UnavailableError
from member import web
from member.starting import File

# Seconds. Whoever asks the controller waits for this.
_TIMEOUT = 1.0

_SNAPSHOT = "snapshot "


@dataclass(frozen=True)
class _Job:
    """The making of one file."""

    id: str
    wanted: MakeFile


class BackupService:
    """See `surroundings.BackupAccess`. For use by one thread. What files were made it only knows of its own jobs."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._job: _Job | None = None
        self._files: dict[MakeFile, File] = {}
        self._fault = ""

    def look(self) -> Backup | None:
        try:
            overview = self._ask("/snapshots")
            self._look_at_job(overview)
            return Backup(
                at=time.time(),
                chain=_chain(overview["chain"]),
                snapshots=bool(overview["snapshots"] or overview["passed_over"]),
                epoch=int(overview["epoch"]),
                files=tuple(self._files.values()),
                fault=self._fault,
            )
        except (UnavailableError, KeyError, TypeError, ValueError):
            return None

    def make(self, action: MakeFile) -> None:
        if self._job is not None and self._job.wanted == action:
            return
        snapshot = action.made_of.removeprefix(_SNAPSHOT) if action.made_of.startswith(_SNAPSHOT) else "latest"
        begun = self._ask("/restore-files", {"snapshot": snapshot, "after_epoch": action.epoch - 1})
        self._job = _Job(str(begun["id"]), action)

    def _look_at_job(self, overview: Any) -> None:  # noqa: ANN401  # of its JSON
        job = self._job
        if job is None:
            return
        try:
            found = self._ask(f"/restore-files/{job.id}")
        except _UnknownError:
            # It was started anew, and knows nothing of it.
            self._job = None
            return
        if found["state"] == "making":
            return
        self._job, self._fault = None, found["error"] or ""
        if found["file"] is not None:
            self._files[job.wanted] = _file(job.wanted, found["file"], overview["snapshots"])

    def _ask(self, path: str, body: object = None) -> Any:  # noqa: ANN401  # of its JSON
        data = None if body is None else json.dumps(body).encode()
        try:
            with web.send(Request(f"{self._url}{path}", data=data), _TIMEOUT) as response:
                return json.loads(response.read())
        except HTTPError as error:
            with error:
                kind = _UnknownError if error.code == HTTPStatus.NOT_FOUND else UnavailableError
                raise kind(f"backup: {error}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise UnavailableError(f"backup: {error}") from None


class _UnknownError(UnavailableError):
    """Backup knows of no such thing."""


def _chain(content: Any) -> Chain | None:  # noqa: ANN401  # of its JSON
    if content is None:
        return None
    lag = content["lag_seconds"]
    # By how long ago it was, since backup's clock may be another one. Without a log it was long ago.
    complete = 0.0 if lag is None else time.time() - float(lag)
    return Chain(int(content["epoch"]), int(content["revision"]), complete)


def _file(wanted: MakeFile, content: Any, snapshots: Any) -> File:  # noqa: ANN401  # of its JSON
    """What was made. Its last revision puts key `epoch`, and is no part of what it is made of."""
    epoch = {str(snapshot["name"]): int(snapshot["epoch"]) for snapshot in snapshots}[content["source"]]
    return File(
        sha256=str(content["sha256"]),
        made_for=int(content["epoch"]),
        made_of=wanted.made_of,
        epoch=epoch,
        revision=int(content["revision"]) - 1,
    )
