"""The HTTP interface: a few paths, answered in JSON.

No answer is made before all that it waits for is there. What a request waits for is begun by `begin`, for a server that
goes on serving others meanwhile and hands it to the answer's maker under BEGUN; without such a server the maker begins
and waits itself.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

import falcon

from counter.metrics import Metrics
from counter.reads import Reads
from counter.replica import Replica
from counter.requests import Counted, Fate, Outcome
from counter.version import Version
from counter.work import Work
from etcd.errors import EtcdRefusedError, EtcdUnavailableError
from etcd.keys import UnreadableKeyError
from service.exposition import Exposition
from service.paths import QUOTED, EveryPath, no_such_path, unexpected

_log = logging.getLogger(__name__)

BEGUN = "counter.begun"

PATHS = ("/static", "/healthz", "/increment", "/fetch", "/metrics", "/version")

_RETRY_AFTER = 1  # seconds

# The standard's draft (draft-ietf-httpapi-idempotency-key-header) leaves it to each server what a key may look like.
_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True)
class Dependencies:
    """What the answers are made from.

    Attributes:
        replica: The count.
        members: Reads how many members etcd has, as a quorum agrees on it.
        epoch: Returns which epoch of the count this is; None while that is not known.
        is_stopping: Whether the replica should get no new clients.
        metrics: What is told of all this.
        versions: Of what runs here, by name.
        pod: The replica's name.
        node: That of its node.
    """

    replica: Replica
    members: Reads[int]
    epoch: Callable[[], int | None]
    is_stopping: Callable[[], bool]
    metrics: Metrics
    versions: Mapping[str, str]
    pod: str
    node: str


def begin(dependencies: Dependencies, environ: Mapping[str, Any]) -> Work[Any] | None:
    """Begin what the answer to a request has to wait for. None if that is nothing.

    `environ` is the request as WSGI has it (PEP 3333).
    """
    match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
        case (("GET" | "POST"), "/increment"):
            key = environ.get("HTTP_IDEMPOTENCY_KEY")
            return dependencies.replica.increment(key) if _refusal(environ) is None else None
        case "GET", "/fetch":
            return dependencies.replica.fetch()
        case "GET", "/healthz":
            return dependencies.members.ask()
    return None


def create_app(dependencies: Dependencies) -> falcon.App[falcon.Request, falcon.Response]:
    """Return the WSGI application."""
    resources = (
        Static(dependencies),
        Healthz(dependencies),
        Increment(dependencies),
        Fetch(dependencies),
        Exposition(dependencies.metrics.registry),
        Version(dependencies.versions, dependencies.pod, dependencies.node),
    )
    app = falcon.App(middleware=[EveryPath()])
    for path, resource in zip(PATHS, resources, strict=True):
        app.add_route(path, resource)
    app.set_error_serializer(_serialize_error)
    app.add_error_handler(falcon.HTTPRouteNotFound, no_such_path(sorted(PATHS)))
    app.add_error_handler(EtcdUnavailableError, _etcd_unavailable)
    app.add_error_handler(EtcdRefusedError, _count_unreadable)
    app.add_error_handler(UnreadableKeyError, _count_unreadable)
    app.add_error_handler(Exception, unexpected)
    return app


class Static:
    """An answer that needs nothing but the replica itself."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._answer = _answer_of_pod("meaning of life = 42", dependencies)

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        response.data = self._answer


class Healthz:
    """Whether the replica can do its work: whether a quorum of etcd answers, and no stop is near."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        # The number seldom changes, and to encode the answer takes a tenth of the time for it.
        self._answer = cache(lambda members: _answer_of_pod(f"etcd members = {members}", dependencies))

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        members: int = _result(self._dependencies, request)
        if self._dependencies.is_stopping():
            raise falcon.HTTPServiceUnavailable(description="This replica is about to stop.", retry_after=_RETRY_AFTER)
        response.data = self._answer(members)


class Increment:
    """Count one; with an Idempotency-Key once, however often it is sent."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._answer = _answer("count value = %d")

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        refusal = _refusal(request.env)
        if refusal is not None:
            raise refusal
        outcome: Outcome = _result(self._dependencies, request)
        self._dependencies.metrics.increment_answered(outcome)
        if not isinstance(outcome, Counted):
            raise _failure(outcome)
        _tell_epoch(response, self._dependencies)
        response.data = self._answer % outcome.value

    on_post = on_get


class Fetch:
    """The count, unchanged."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        count = _result(self._dependencies, request)
        _tell_epoch(response, self._dependencies)
        response.data = _answer_of_pod(f"count value = {count}", self._dependencies)


def _tell_epoch(response: falcon.Response, dependencies: Dependencies) -> None:
    """Say which epoch of the count a value is of: in another one a value may come again."""
    epoch = dependencies.epoch()
    if epoch is not None:
        response.set_header("X-Count-Epoch", str(epoch))


def _result(dependencies: Dependencies, request: falcon.Request) -> Any:  # noqa: ANN401  # each path has its own
    """What came of the work that was begun for a request. Raises what that raised."""
    work: Work[Any] | None = request.env[BEGUN] if BEGUN in request.env else begin(dependencies, request.env)
    assert work is not None, f"nothing was begun for {request.method} {request.path}"
    try:
        return work.result()
    except Exception as error:
        raise error.with_traceback(None) from None  # many may wait for it, and each would make its traceback longer


def _refusal(environ: Mapping[str, Any]) -> falcon.HTTPError | None:
    """Why an increment must not be counted, if so."""
    key = environ.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not _KEY.fullmatch(key):
        return falcon.HTTPBadRequest(
            description=f"Idempotency-Key is {key[:QUOTED]!r}, but must be 1 to 64 letters, digits, dots, colons, "
            "dashes or underscores."
        )
    if "prefetch" in environ.get("HTTP_SEC_PURPOSE", environ.get("HTTP_PURPOSE", "")):
        return falcon.HTTPForbidden(description="An increment is counted when somebody asks for it, not in advance.")
    return None


def _failure(fate: Fate) -> falcon.HTTPError:
    """What a client is told of an increment that has no value to tell."""
    match fate:
        case Fate.NOT_COUNTED:
            return falcon.HTTPServiceUnavailable(
                description="not counted: etcd, which keeps the count, does not answer. Please try again.",
                retry_after=_RETRY_AFTER,
            )
        case Fate.VALUE_LOST:
            return falcon.HTTPConflict(
                description="This increment was counted, but nobody was told its value in time to keep it."
            )
        case Fate.NO_ROOM:
            return falcon.HTTPTooManyRequests(
                description="Too many increments with an Idempotency-Key: this request was not taken. Please repeat it "
                "later, with the same key.",
                retry_after=_RETRY_AFTER,
            )
    return falcon.HTTPServiceUnavailable(
        description="unknown: repeat with the same Idempotency-Key. etcd did not confirm this increment, so it may or "
        "may not have been counted. Without a key, a repeat may count twice.",
        retry_after=_RETRY_AFTER,
    )


# Answers are encoded here, if they can be before there is a request, and handed over as bytes: Falcon's own way through
# `media` takes twice as long.
def _answer(content: str, **more: str) -> bytes:
    return json.dumps({"content": content, "message": "Status OK", **more}).encode()


def _answer_of_pod(content: str, dependencies: Dependencies) -> bytes:
    return _answer(content, node=dependencies.node, pod=dependencies.pod)


def _serialize_error(_request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    response.content_type = falcon.MEDIA_JSON
    response.data = json.dumps({"message": error.description or error.title}).encode()


def _etcd_unavailable(*_: object) -> NoReturn:
    raise falcon.HTTPServiceUnavailable(
        description="etcd, which keeps the count, does not answer. Please try again.", retry_after=_RETRY_AFTER
    )


def _count_unreadable(_request: falcon.Request, _response: falcon.Response, error: Exception, *_: object) -> NoReturn:
    _log.error("the count can't be read: %s", error)
    raise falcon.HTTPServiceUnavailable(
        description="etcd, which keeps the count, has no answer that can be used; the log says more.",
        retry_after=_RETRY_AFTER,
    )
