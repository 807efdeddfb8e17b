"""What a process in backup's own pod asks of it, over HTTP."""

import hashlib
import json
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from typing import BinaryIO

from backup.views import Json

# Seconds. Whatever is asked for is answered at once, but for a snapshot, which is saved first, and an upload, which is
# proven as well: the larger it is, the longer that takes.
_SOON = 10.0
_SAVED = 120.0
_PROVEN = 3600.0

_CHUNK = 256 * 1024


class RequestError(Exception):
    """What was asked for can't be had. The text says why, as backup or the network has it."""


class Client:
    """Asks one server."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        # A proxy from the environment is for other traffic.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def overview(self) -> Json:
        """All that there is. Raises RequestError."""
        return self._json("GET", "/snapshots", _SOON)

    def take(self) -> Json:
        """Take a snapshot, and return it. Raises RequestError."""
        return self._json("POST", "/snapshots?reason=request", _SAVED)

    def begin_restore_file(self, snapshot: str) -> str:
        """Begin to make a restore file of a snapshot. Returns the job's ID. Raises RequestError."""
        wanted = {"snapshot": snapshot}
        begun = self._json("POST", "/restore-files", _SOON, json.dumps(wanted).encode())
        return str(begun["id"])

    def restore_job(self, job: str) -> Json:
        """How far a job is. Raises RequestError."""
        return self._json("GET", f"/restore-files/{job}", _SOON)

    def download(self, sha256: str, target: BinaryIO) -> None:
        """Write the bytes of the file that has this sha256. Raises RequestError, also when they are other ones."""
        digest = hashlib.sha256()
        with self._open("GET", f"/files/{sha256}", _SAVED) as response:
            try:
                while chunk := response.read(_CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
            except (OSError, HTTPException) as error:
                raise RequestError(f"The file broke off: {error or type(error).__name__}") from None
        if digest.hexdigest() != sha256:
            raise RequestError(f"The file's sha256 is {digest.hexdigest()}, but must be {sha256}: it is of no use.")

    def upload(self, source: BinaryIO) -> Json:
        """Send a snapshot, and return what it is once it is proven. Raises RequestError."""
        return self._json("PUT", "/files", _PROVEN, source)

    def _json(self, method: str, path: str, timeout: float, body: bytes | BinaryIO | None = None) -> Json:
        with self._open(method, path, timeout, body) as response:
            try:
                answer: Json = json.load(response)
            except (OSError, HTTPException, ValueError) as error:
                raise RequestError(f"The answer of {self._url}{path} can't be read: {error}") from None
        return answer

    def _open(self, method: str, path: str, timeout: float, body: bytes | BinaryIO | None = None) -> HTTPResponse:
        request = urllib.request.Request(self._url + path, body, method=method)
        request.add_header(
            "Content-Type", "application/json" if isinstance(body, bytes) else "application/octet-stream"
        )
        try:
            response: HTTPResponse = self._opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            with error:
                raise RequestError(_description(error)) from None
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise RequestError(f"Backup does not answer at {self._url}: {reason}. Its log may say more.") from None
        return response


def _description(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["description"])
    except (ValueError, KeyError, TypeError, OSError, HTTPException):
        return f"The answer was {error.code} {error.reason}."
