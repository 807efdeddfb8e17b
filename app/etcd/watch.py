"""Every change from a revision on, as one member sends them."""

import queue
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed
from etcd3 import etcdrpc  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
from etcd3.etcdrpc.kv_pb2 import Event  # type: ignore[import-untyped]

# Seconds between two answers, in which changes gather.
PAUSE = 0.1

# A range that begins and ends so has all keys.
_ALL = b"\0"


@dataclass(frozen=True)
class Change:
    """All that one revision changed, in the order of its operations."""

    revision: int
    events: list[Event]


@dataclass(frozen=True)
class Compacted:
    """That the member no longer knows all changes that were asked for: this one and those after it are left."""

    revision: int


class WatchEndedError(Exception):
    """The member ended the watch, or does not answer. The text says why."""


class Watch:
    """A watch on all keys. One thread goes through it; `close` may be called by another.

    Every revision of etcd changes some key, so the revisions that come have no gap. A member sends each by itself as it
    comes, which costs it and this process far more than to send many at once. So after each answer the watch is ended,
    and begun anew a moment later where it was: what has come meanwhile is sent as one answer.
    """

    def __init__(self, channel: grpc.Channel, start: int) -> None:
        """Watch from revision `start` on. The member ends the watch when it knows no leader."""
        self._watch = etcdrpc.WatchStub(channel).Watch
        self._next = start
        self._closing = threading.Event()
        self._call: _Call | None = None

    def __iter__(self) -> Iterator[Change | Compacted]:
        """Raises WatchEndedError when there is no more."""
        while not self._closing.wait(PAUSE):
            with closing(_Call(self._watch, self._next)) as self._call:
                if self._closing.is_set():
                    break
                for part in self._call.answer():
                    yield part
                    if isinstance(part, Change):
                        self._next = part.revision + 1
        raise WatchEndedError("it was closed")

    def close(self) -> None:
        """End it. Whoever goes through it gets WatchEndedError."""
        self._closing.set()
        if self._call is not None:
            self._call.close()


class _Call:
    """A stream in both directions, of which the first answer with something in it is taken."""

    def __init__(self, watch: Any, start: int) -> None:  # noqa: ANN401  # untyped stubs
        self._requests: queue.SimpleQueue[etcdrpc.WatchRequest | None] = queue.SimpleQueue()
        create = etcdrpc.WatchCreateRequest(key=_ALL, range_end=_ALL, start_revision=start)
        self._requests.put(etcdrpc.WatchRequest(create_request=create))
        try:
            self._answers = watch(iter(self._requests.get, None), metadata=(("hasleader", "true"),))
        except ValueError as error:  # so gRPC says that the channel is closed
            raise WatchEndedError(str(error)) from error

    def answer(self) -> Iterator[Change | Compacted]:
        try:
            for answer in self._answers:
                yield from _parts(answer)
                if answer.events:
                    return
        except grpc.RpcError as error:
            raise WatchEndedError(f"{error.code().name}: {error.details()}") from error
        raise WatchEndedError("the member ended it")

    def close(self) -> None:
        self._requests.put(None)
        self._answers.cancel()


def _parts(answer: etcdrpc.WatchResponse) -> Iterator[Change | Compacted]:
    if answer.canceled and answer.compact_revision:
        yield Compacted(answer.compact_revision)
    if answer.canceled:
        raise WatchEndedError(answer.cancel_reason or "the member cancelled it")
    for revision, events in groupby(answer.events, key=lambda event: event.kv.mod_revision):
        yield Change(int(revision), list(events))
