"""The app as it is observed: each request has an ID, is in the metrics, and at level debug in the log."""

from __future__ import annotations  # those of a function in a function would be evaluated at each of its calls

import logging
from collections.abc import Callable, Iterable
from types import TracebackType
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from counter.metrics import Metrics
from service.request_ids import RequestIds, current_request_id

_log = logging.getLogger(__name__)

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

_REQUEST_ID = "counter.request_id"  # in the WSGI environment


class ObservedApp:
    """A WSGI application around another one. Safe for use by many threads."""

    def __init__(self, app: WSGIApplication, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._ids = RequestIds()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with a request ID, which lines in the log have as well that are written meanwhile."""
        request_id = environ[_REQUEST_ID] = self._ids.id_for(environ.get("HTTP_X_REQUEST_ID"))

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None, /
        ) -> Callable[[bytes], object]:
            headers.append(("X-Request-Id", request_id))
            return start_response(status, headers, exc_info)

        outer = current_request_id.set(request_id)
        try:
            return self._app(environ, start)
        finally:
            current_request_id.reset(outer)

    def refused(self, status: str) -> None:
        """Note an answer that the server has given itself, to what is no fit request."""
        self._metrics.request_answered("", status, 0.0)
        _log.debug("not a fit request: %s", status)

    def answered(self, environ: WSGIEnvironment, status: str, seconds: float) -> None:
        """Note an answer that this has given. Only the server knows how long it took: the app runs when what the
        request waits for is there.

        `environ` and `status` are the WSGI call's; `seconds` are from the end of the request to its answer.
        """
        path = environ["PATH_INFO"]
        self._metrics.request_answered(path, status, seconds)
        if _log.isEnabledFor(logging.DEBUG):
            outer = current_request_id.set(environ[_REQUEST_ID])
            _log.debug("%s %s %s %.6f s", environ["REQUEST_METHOD"], path, status[:3], seconds)
            current_request_id.reset(outer)
