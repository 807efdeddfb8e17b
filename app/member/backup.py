"""What a member asks of backup, over HTTP: the file to restore from, and a new snapshot."""

import hashlib
import json
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request

from member import web

# Seconds that backup may stay silent.
TIMEOUT = 5.0

_PIECE = 1 << 20


class BackupError(Exception):
    """Backup gave no answer, or none that is of use. The text says which."""


def fetch(url: str, sha256: str, path: Path) -> None:
    """Write the file with that hash to `path`. Raises BackupError, or OSError if it can't be written."""
    request = Request(f"{url}/files/{sha256}")
    digest = hashlib.sha256()
    with _answer(request, TIMEOUT) as response, path.open("wb") as file:
        for piece in _pieces(response):
            file.write(piece)
            digest.update(piece)
    if digest.hexdigest() != sha256:
        raise BackupError(f"{request.full_url} gave another file: its sha256 is {digest.hexdigest()}")


def save(url: str, timeout: float) -> dict[str, object]:
    """Have a snapshot taken because a member stops, and return what backup says of it. Raises BackupError."""
    return _ask(Request(f"{url}/snapshots?reason=stop", method="POST"), timeout)


def _ask(request: Request, timeout: float) -> dict[str, object]:
    with _answer(request, timeout) as response:
        text = b"".join(_pieces(response))
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise BackupError(f"{request.full_url} answered what is no JSON object: {text[:200]!r}")
    return answer


def _answer(request: Request, timeout: float) -> HTTPResponse:
    try:
        return web.send(request, timeout)
    except HTTPError as error:
        with error:
            raise BackupError(f"{request.full_url} answered {error.code}: {_description(error)}") from None
    except (OSError, HTTPException) as error:
        raise BackupError(f"no answer from {request.full_url}: {error}") from None


def _pieces(response: HTTPResponse) -> Iterator[bytes]:
    """Raises BackupError if the body ends early."""
    size = 0
    try:
        while piece := response.read(_PIECE):
            size += len(piece)
            yield piece
    except (OSError, HTTPException) as error:
        raise BackupError(f"{response.url} broke off after {size} bytes: {error}") from None
    announced = response.headers.get("Content-Length", str(size))
    if str(size) != announced:
        raise BackupError(f"{response.url} broke off after {size} of {announced} bytes")


def _description(error: HTTPError) -> str:
    """What backup says of the fault, or else what HTTP calls it."""
    try:
        answer = json.loads(error.read(10_000))
        return str(answer.get("description") or answer["title"])
    except (OSError, HTTPException, ValueError, KeyError, AttributeError):
        return error.reason
