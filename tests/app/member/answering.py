"""An HTTP server on 127.0.0.1 that gives the answers it was told, and keeps what it was asked."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Answer:
    """What is said to a request; `announced` is the Content-Length if not the body's own."""

    body: bytes = b""
    status: int = 200
    announced: int | None = None


# Or what says it.
Said = Answer | Callable[[], Answer]


@dataclass
class Answering:
    """Attributes:
    answers: By method and path: "GET /snapshots". All else is answered 404. Of several each is given once, in their
        order, and the last one from then on.
    asked: What was asked, oldest first, likewise.
    bodies: What was sent with it.
    """

    answers: dict[str, Said | list[Said]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _answer(self, request: str) -> Answer:
        said = self.answers.get(request, Answer(b"nothing here", 404))
        if isinstance(said, list):
            said = said.pop(0) if len(said) > 1 else said[0]
        return said if isinstance(said, Answer) else said()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answering = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                request = f"{self.command} {self.path}"
                answering.asked.append(request)
                answering.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                answer = answering._answer(request)
                self.send_response(answer.status)
                self.send_header("Content-Length", str(answer.announced or len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = answer  # noqa: N815  # the base class looks for these

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        return Handler
