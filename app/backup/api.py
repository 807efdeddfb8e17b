"""The HTTP interface of backup: snapshots, restore files and their bytes; all else is JSON.

The volume may hang whoever uses it. So only some requests at once may be such as use it: there always is a thread for
those that ask how things are.
"""

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn, cast

import falcon

from backup.errors import BadSnapshotError, SnapshotError, UnknownSnapshotError
from backup.metrics import Metrics
from backup.views import Core
from service.exposition import Exposition
from service.paths import QUOTED, EveryPath, either, no_such_path, unexpected

_log = logging.getLogger(__name__)

# How many requests may use the volume, or take long for other reasons, at once.
SLOW_AT_ONCE = 16

# Why somebody may ask for a snapshot; backup itself has other reasons.
_REASONS = ("request", "down", "stop")

_RETRY_AFTER = 1  # seconds
_CHUNK = 256 * 1024
_JSON_BYTES = 4096


@dataclass(frozen=True)
class _Slots:
    """The requests that may take long. Safe for use by many threads."""

    free: threading.BoundedSemaphore

    def take(self) -> None:
        """Raises falcon.HTTPServiceUnavailable if there are too many already. To be followed by `give_back`."""
        if not self.free.acquire(blocking=False):
            raise falcon.HTTPServiceUnavailable(
                description=f"{SLOW_AT_ONCE} requests that take long are under way, and no more are taken. The volume "
                "that snapshots are kept on may hang: GET /snapshots says so.",
                retry_after=_RETRY_AFTER,
            )

    def give_back(self) -> None:
        self.free.release()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take one for a while. Raises falcon.HTTPServiceUnavailable."""
        self.take()
        try:
            yield
        finally:
            self.give_back()


def create_app(core: Core, metrics: Metrics) -> falcon.App[falcon.Request, falcon.Response]:
    """Return the WSGI application."""
    slots = _Slots(threading.BoundedSemaphore(SLOW_AT_ONCE))
    routes = {
        "/snapshots": Snapshots(core, slots),
        "/restore-files": RestoreFiles(core, slots),
        "/restore-files/{job}": RestoreJob(core),
        "/files": Files(core, slots),
        "/files/{name}": File(core, slots),
        "/metrics": Exposition(metrics.registry),
        "/healthz": Healthz(),
    }
    app = falcon.App(middleware=[EveryPath()])
    for path, resource in routes.items():
        app.add_route(path, resource)
    app.set_error_serializer(_serialize_error)
    app.add_error_handler(falcon.HTTPRouteNotFound, no_such_path(routes))
    app.add_error_handler(SnapshotError, _unavailable)
    app.add_error_handler(OSError, _volume_failed)
    app.add_error_handler(UnknownSnapshotError, _not_found)
    app.add_error_handler(BadSnapshotError, _unprocessable)
    app.add_error_handler(Exception, unexpected)
    return app


class Snapshots:
    """What there is, and the taking of one more."""

    def __init__(self, core: Core, slots: _Slots) -> None:
        self._core = core
        self._slots = slots

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        _answer(response, self._core.overview().to_json())

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        reason = request.get_param("reason", default="request")
        if reason not in _REASONS:
            raise falcon.HTTPBadRequest(
                description=f"reason is {reason[:QUOTED]!r}, but must be {either(_REASONS)} (request if not given)."
            )
        with self._slots.one():
            _answer(response, self._core.take(reason).to_json(), falcon.HTTP_201)


class RestoreFiles:
    """The making of a restore file."""

    def __init__(self, core: Core, slots: _Slots) -> None:
        self._core = core
        self._slots = slots

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        snapshot, after_epoch = _wanted_in(request.bounded_stream.read(_JSON_BYTES + 1))
        with self._slots.one():
            _answer(response, {"id": self._core.begin_restore_file(snapshot, after_epoch)}, falcon.HTTP_202)


class RestoreJob:
    """How far a restore file is."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def on_get(self, _request: falcon.Request, response: falcon.Response, job: str) -> None:
        view = self._core.restore_job(job)
        if view is None:
            raise falcon.HTTPNotFound(
                description=f"There is no job {job[:QUOTED]!r}. Backup forgets its jobs when it is started again: "
                "POST /restore-files begins one."
            )
        _answer(response, view.to_json())


class Files:
    """Where somebody's own file is sent to."""

    def __init__(self, core: Core, slots: _Slots) -> None:
        self._core = core
        self._slots = slots

    def on_put(self, request: falcon.Request, response: falcon.Response) -> None:
        # The server has made one of a body that came in chunks.
        if request.content_length is None:
            raise falcon.HTTPLengthRequired(description="The file's Content-Length is missing.")
        if request.content_length == 0:
            raise falcon.HTTPBadRequest(description="The file is empty, but must be a snapshot of etcd.")
        with self._slots.one():
            view = self._core.upload(cast(BinaryIO, request.bounded_stream), request.content_length)
            _answer(response, view.to_json(), falcon.HTTP_201)


class File:
    """The bytes of a snapshot or restore file."""

    def __init__(self, core: Core, slots: _Slots) -> None:
        self._core = core
        self._slots = slots

    def on_get(self, _request: falcon.Request, response: falcon.Response, name: str) -> None:
        self._slots.take()
        try:
            found = self._core.open_file(name)
            if found is None:
                raise falcon.HTTPNotFound(
                    description=f"There is no file {name[:QUOTED]!r}. GET /snapshots names those that there are."
                )
        except BaseException:
            self._slots.give_back()
            raise
        file, size, sha256 = found
        response.content_type = "application/octet-stream"
        response.content_length = size
        response.set_header("X-Sha256", sha256)
        response.stream = _Chunks(file, name, self._slots)


class _Chunks:
    """A file's bytes, read as they are sent.

    It has no `read`: the server would use that in its loop's own thread, and a volume that hangs would hang the server.
    """

    def __init__(self, file: BinaryIO, name: str, slots: _Slots) -> None:
        self._file = file
        self._name = name
        self._slots = slots

    def __iter__(self) -> Iterator[bytes]:
        try:
            while chunk := self._file.read(_CHUNK):
                yield chunk
        except OSError as error:
            # By now the client has been told a length. That it gets less is how it learns of this.
            _log.error("%s could not be sent in full: %s", self._name, error)

    def close(self) -> None:
        """Called once, by the server, however the sending ended."""
        try:
            self._file.close()
        finally:
            self._slots.give_back()


class Healthz:
    """That the process serves. It does so without etcd and the volume, too: to be started again would mend neither."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        _answer(response, {"status": "ok"})


def _wanted_in(body: bytes) -> tuple[str, int]:
    """The snapshot and the epoch that the body of a request names. Raises falcon.HTTPBadRequest."""
    right = (
        'must be JSON like {"snapshot": "latest"}, with the name of a snapshot, or latest; "after_epoch" may be added, '
        "a number"
    )
    if len(body) > _JSON_BYTES:
        raise falcon.HTTPBadRequest(description=f"The body has more than {_JSON_BYTES} bytes, but {right}.")
    try:
        content = json.loads(body)
    except ValueError:
        raise falcon.HTTPBadRequest(description=f"The body is {_quoted(body)}, but {right}.") from None
    match content:
        case {"snapshot": str(snapshot), "after_epoch": int(epoch)} if snapshot:
            return snapshot, epoch
        case {"snapshot": str(snapshot)} if snapshot and "after_epoch" not in content:
            return snapshot, 0
    raise falcon.HTTPBadRequest(description=f"The body is {_quoted(body)}, but {right}.")


def _quoted(body: bytes) -> str:
    return repr(body.decode(errors="replace")[:QUOTED]) if body else "empty"


def _answer(response: falcon.Response, content: Mapping[str, Any], status: str = falcon.HTTP_200) -> None:
    response.status = status
    response.data = json.dumps(content).encode()


def _serialize_error(_request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    response.content_type = falcon.MEDIA_JSON
    response.data = json.dumps({"title": error.title, "description": error.description}).encode()


def _unavailable(_request: falcon.Request, _response: falcon.Response, error: SnapshotError, *_: object) -> NoReturn:
    raise falcon.HTTPServiceUnavailable(description=str(error), retry_after=_RETRY_AFTER)


def _volume_failed(request: falcon.Request, _response: falcon.Response, error: OSError, *_: object) -> NoReturn:
    _log.error("%s %s failed: %s", request.method, request.path, error)
    raise falcon.HTTPServiceUnavailable(
        description=f"The volume that snapshots are kept on can't be used: {error}.", retry_after=_RETRY_AFTER
    )


def _not_found(
    _request: falcon.Request, _response: falcon.Response, error: UnknownSnapshotError, *_: object
) -> NoReturn:
    raise falcon.HTTPNotFound(description=str(error))


def _unprocessable(
    _request: falcon.Request, _response: falcon.Response, error: BadSnapshotError, *_: object
) -> NoReturn:
    raise falcon.HTTPUnprocessableEntity(description=str(error))
