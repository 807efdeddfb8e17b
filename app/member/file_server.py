"""What a member serves to others while it is not etcd: the file that it made of its folder, by its sha256.

It listens where etcd will talk to the other members: nobody else reaches that port.
"""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from member.addresses import PEER_PORT
from member.listening import listening

_PREFIX = "/files/"

# Returns where the file of this sha256 lies; None: there is none.
FindFile = Callable[[str], Path | None]


def serving(find_file: FindFile, port: int = PEER_PORT) -> AbstractContextManager[int]:
    """Serve on `port`. Yields the port. Raises OSError if it is taken."""
    return listening(port, partial(_Files, find_file), "files")


class _Files(BaseHTTPRequestHandler):
    timeout = 5.0  # seconds that a client may take

    def __init__(self, find_file: FindFile, *arguments: object) -> None:
        self._find_file = find_file
        super().__init__(*arguments)  # type: ignore[arg-type]  # as the server passes them

    def do_GET(self) -> None:
        path = self._find_file(self.path.removeprefix(_PREFIX)) if self.path.startswith(_PREFIX) else None
        if path is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with path.open("rb") as file:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            shutil.copyfileobj(file, self.wfile)

    def log_message(self, format: str, *_: object) -> None:
        """Whoever fetches it says so itself."""
