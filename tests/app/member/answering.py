"""An HTTP server on 127.0.0.1 that gives the answers it was told, and keeps what it was asked."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Answer:
    """What is said to a request; `announced` is the Content-Length if not the body's own."""

    body: bytes = b""
    status: int = 200
    announced: int | None = None


@dataclass
class Answering:
    """Attributes:
    answers: By method and path: "GET /snapshots". All else is answered 404.
    asked: What was asked, oldest first, likewise.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

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

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answers, asked = self.answers, self.asked

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                request = f"{self.command} {self.path}"
                asked.append(request)
                answer = answers.get(request, Answer(b"nothing here", 404))
                self.send_response(answer.status)
                self.send_header("Content-Length", str(answer.announced or len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = answer  # noqa: N815  # the base class looks for these

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        return Handler
