"""A gRPC server on 127.0.0.1 that gives the answers it was told, and keeps the bytes that it was asked with."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed

# The bytes of an answer, or the status of a call that fails.
Said: TypeAlias = bytes | grpc.StatusCode


@dataclass
class SpokenTo:
    """Attributes:
    answers: By method: "/etcdserverpb.KV/Range". All else is unimplemented.
    asked: Method and bytes of each call, oldest first.
    """

    answers: dict[str, Said] = field(default_factory=dict)
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((_Handler(self._answer),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()

    def requests(self, method: str) -> list[bytes]:
        """What was asked of one method."""
        return [request for of, request in self.asked if of == method]

    def _answer(self, method: str, request: bytes, context: Any) -> bytes:  # noqa: ANN401  # untyped
        self.asked.append((method, request))
        said = self.answers.get(method, grpc.StatusCode.UNIMPLEMENTED)
        if not isinstance(said, bytes):
            context.abort(said, "told to")
        return bytes(said)


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # untyped
    """Takes any call with one request and one answer, as bytes."""

    def __init__(self, answer: Callable[[str, bytes, Any], bytes]) -> None:
        self._answer = answer

    def service(self, details: Any) -> Any:  # noqa: ANN401  # untyped
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._answer(details.method, request, context)
        )
