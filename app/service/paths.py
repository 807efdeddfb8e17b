"""What holds for every path of an HTTP interface, whatever is served there."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import falcon

_log = logging.getLogger(__name__)

# How many characters of what a client sent an answer repeats.
QUOTED = 80

_METHODS = ("GET", "POST", "PUT")


class EveryPath:
    """Falcon's middleware: only the methods that a resource has, and no answer that is of use twice."""

    def process_resource(
        self, request: falcon.Request, _response: falcon.Response, resource: object, _parameters: Mapping[str, Any]
    ) -> None:
        # Falcon itself would answer OPTIONS, and 400 to methods that it has never heard of.
        allowed = [method for method in _METHODS if hasattr(resource, f"on_{method.lower()}")]
        if request.method not in allowed:
            raise falcon.HTTPMethodNotAllowed(
                allowed,
                description=f"{request.path[:QUOTED]} can't be asked with {request.method[:QUOTED]}, only with "
                f"{either(allowed)}.",
            )

    def process_response(
        self, _request: falcon.Request, response: falcon.Response, _resource: object, _succeeded: bool
    ) -> None:
        response.set_header("Cache-Control", "no-store")


def no_such_path(paths: Iterable[str]) -> Callable[..., NoReturn]:
    """An error handler for falcon.HTTPRouteNotFound that names the paths that there are."""

    def handle(request: falcon.Request, *_: object) -> NoReturn:
        raise falcon.HTTPNotFound(description=f"There is no {request.path[:QUOTED]} here, only {', '.join(paths)}.")

    return handle


def unexpected(request: falcon.Request, _response: falcon.Response, error: Exception, *_: object) -> NoReturn:
    """An error handler for whatever has no other."""
    _log.error("%s %s failed", request.method, request.path, exc_info=error)
    raise falcon.HTTPInternalServerError(description="The request failed for a reason that only the log tells.")


def either(words: Sequence[str]) -> str:
    """The words as a choice: "a, b or c"."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
