"""One answer of the server: how the app is asked for it, and how it is written."""

import json
import time
from functools import lru_cache

import falcon
from waitress.task import ErrorTask, WSGITask  # type: ignore[import-untyped]  # waitress ships no types
from waitress.utilities import build_http_date  # type: ignore[import-untyped]

# No error's text is longer: it may quote what was sent.
_MAX_ERROR = 300


class Task(WSGITask):  # type: ignore[misc]
    """Has the app make the answer to a request, when what it waits for is there."""

    def start(self) -> None:
        super().start()
        if self.channel.server.stopping.is_set():
            self.request.headers["CONNECTION"] = "close"

    def finish(self) -> None:
        super().finish()
        self.channel.server.app.answered(self.environ, self.status, time.time() - self.channel.arrived_at)

    def build_response_header(self) -> bytes:
        """Return the status line and the headers. Called by waitress, whose own way takes longer than Falcon does for
        an answer: it has to think of all that an app may do, spells each name anew, and formats the date."""
        headers = [(_spelled(name), value) for name, value in self.response_headers]
        has_length = any(name == "Content-Length" for name, _ in headers)
        asks_to_close = self.request.headers.get("CONNECTION", "").lower() == "close"
        if self.version != "1.1" or asks_to_close or not has_length:
            made: bytes = super().build_response_header()  # finds out how the connection goes on
            return made
        headers.append(("Date", _date(int(self.start_time))))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return f"HTTP/1.1 {self.status}\r\n{lines}\r\n".encode("latin-1")


class JsonErrorTask(ErrorTask):  # type: ignore[misc]
    """Says what waitress has against a request, in JSON as everything else."""

    def execute(self) -> None:
        error = self.request.error
        body = json.dumps({"message": f"{error.reason}: {error.body}"[:_MAX_ERROR]}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", falcon.MEDIA_JSON))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)
        self.channel.server.app.refused(self.status)


@lru_cache
def _spelled(name: str) -> str:
    """A header's name as it mostly is spelled. The app has few of them."""
    return "-".join(part.capitalize() for part in name.split("-"))


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    date: str = build_http_date(second)
    return date
