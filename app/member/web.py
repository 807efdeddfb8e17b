"""Plain HTTP requests, straight to whom they are for.

urllib's own opener would take a proxy from the environment, and load all certificates for HTTPS first.
"""

from http.client import HTTPResponse
from urllib.request import HTTPDefaultErrorHandler, HTTPErrorProcessor, HTTPHandler, OpenerDirector, Request


def send(request: Request, timeout: float) -> HTTPResponse:
    """Return the answer, yet to be read. Raises HTTPError if it is one of a fault, OSError or HTTPException if none."""
    opener = OpenerDirector()
    for handler in (HTTPHandler(), HTTPErrorProcessor(), HTTPDefaultErrorHandler()):
        opener.add_handler(handler)
    response: HTTPResponse = opener.open(request, timeout=timeout)
    return response
