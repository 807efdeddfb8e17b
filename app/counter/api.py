"""The HTTP interface: four paths, answered in JSON."""

import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import falcon

from counter.keys import UnreadableKeyError
from counter.replica import NotCountedError, OutcomeUnknownError, Replica, ValueLostError
from counter.store import EtcdRefusedError, EtcdUnavailableError

_log = logging.getLogger(__name__)

_RETRY_AFTER = 1  # seconds

_ETCD_AWAY = "etcd, which keeps the count, does not answer. Please try again."
_NOT_COUNTED = "etcd, which keeps the count, does not answer: this increment was not counted. Please try again."
_OUTCOME_UNKNOWN = (
    "etcd did not confirm this increment: it may or may not have been counted. A repeat with the same Idempotency-Key "
    "is safe; without a key it may count twice."
)

# The standard's draft (draft-ietf-httpapi-idempotency-key-header) leaves it to each server what a key may look like.
_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True)
class Dependencies:
    """What the answers are made from. `count_members` raises EtcdUnavailableError when etcd can't answer now."""

    replica: Replica
    count_members: Callable[[], int]
    pod: str
    node: str


def create_app(dependencies: Dependencies) -> falcon.App[falcon.Request, falcon.Response]:
    """Return the WSGI application."""
    resources = {
        "/static": Static(dependencies),
        "/healthz": Healthz(dependencies),
        "/increment": Increment(dependencies),
        "/fetch": Fetch(dependencies),
    }
    app = falcon.App(middleware=[OnlyGet()])
    for path, resource in resources.items():
        app.add_route(path, resource)
    app.set_error_serializer(_serialize_error)
    app.add_error_handler(falcon.HTTPRouteNotFound, _no_such_path(sorted(resources)))
    app.add_error_handler(EtcdUnavailableError, _unavailable(_ETCD_AWAY))
    app.add_error_handler(EtcdRefusedError, _count_unreadable)
    app.add_error_handler(UnreadableKeyError, _count_unreadable)
    app.add_error_handler(ValueLostError, _value_lost)
    app.add_error_handler(NotCountedError, _unavailable(_NOT_COUNTED))
    app.add_error_handler(OutcomeUnknownError, _unavailable(_OUTCOME_UNKNOWN))
    app.add_error_handler(Exception, _unexpected)
    return app


class Static:
    """An answer that needs nothing but the replica itself."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._answer = _answer_of_pod("meaning of life = 42", dependencies)

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        response.data = self._answer


class Healthz:
    """Whether the replica can do its work: whether a quorum of etcd answers."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        members = self._dependencies.count_members()
        response.data = _answer_of_pod(f"etcd members = {members}", self._dependencies)


class Increment:
    """Count one; with an Idempotency-Key once, however often it is sent."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._replica = dependencies.replica

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        key = request.get_header("Idempotency-Key")
        if key is not None and not _KEY.fullmatch(key):
            raise falcon.HTTPBadRequest(
                description=f"Idempotency-Key is {key[:80]!r}, but must be 1 to 64 letters, digits, dots, colons, "
                "dashes or underscores."
            )
        response.data = _answer(f"count value = {self._replica.increment(key)}")


class Fetch:
    """The count, unchanged."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        count = self._dependencies.replica.fetch()
        response.data = _answer_of_pod(f"count value = {count}", self._dependencies)


class OnlyGet:
    """Refuses every method but GET. Falcon itself answers 400 to methods it has never heard of."""

    def process_resource(self, request: falcon.Request, _response: falcon.Response, *_: object) -> None:
        if request.method != "GET":
            raise falcon.HTTPMethodNotAllowed(
                ["GET"], description=f"{request.path} can't be asked with {request.method}, only with GET."
            )


# Answers are encoded here and handed over as bytes: Falcon's own way through `media` takes twice as long.
def _answer(content: str, **more: str) -> bytes:
    return json.dumps({"content": content, "message": "Status OK", **more}).encode()


def _answer_of_pod(content: str, dependencies: Dependencies) -> bytes:
    return _answer(content, node=dependencies.node, pod=dependencies.pod)


def _serialize_error(_request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    response.content_type = falcon.MEDIA_JSON
    response.data = json.dumps({"message": error.description or error.title}).encode()


def _no_such_path(paths: Sequence[str]) -> Callable[..., NoReturn]:
    def handle(request: falcon.Request, *_: object) -> NoReturn:
        raise falcon.HTTPNotFound(description=f"There is no {request.path} here, only {', '.join(paths)}.")

    return handle


def _unavailable(description: str) -> Callable[..., NoReturn]:
    def handle(*_: object) -> NoReturn:
        raise falcon.HTTPServiceUnavailable(description=description, retry_after=_RETRY_AFTER)

    return handle


def _count_unreadable(_request: falcon.Request, _response: falcon.Response, error: Exception, *_: object) -> NoReturn:
    _log.error("the count can't be read: %s", error)
    raise falcon.HTTPServiceUnavailable(
        description="etcd, which keeps the count, has no answer that can be used; the log says more.",
        retry_after=_RETRY_AFTER,
    )


def _value_lost(*_: object) -> NoReturn:
    raise falcon.HTTPConflict(
        description="This increment was counted, but nobody was told its value in time to keep it."
    )


def _unexpected(request: falcon.Request, _response: falcon.Response, error: Exception, *_: object) -> NoReturn:
    _log.error("%s %s failed", request.method, request.path, exc_info=error)
    raise falcon.HTTPInternalServerError(description="The request failed for a reason that only the log tells.")
