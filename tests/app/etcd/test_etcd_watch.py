"""The watch against a gRPC server on loopback that speaks etcd's protocol."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed
import pytest
from etcd3 import etcdrpc  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
from etcd3.etcdrpc.kv_pb2 import Event, KeyValue  # type: ignore[import-untyped]

from etcd import watch as watch_module
from etcd.channel import to_any_of
from etcd.watch import Change, Compacted, Watch, WatchEndedError

Answer = Any  # etcd's WatchResponse: untyped stubs


class Member(etcdrpc.WatchServicer):  # type: ignore[misc]  # untyped
    """Answers each watch with what it is told to by the revision that it starts with; then with nothing."""

    def __init__(self) -> None:
        self.answers: dict[int, list[Answer]] = {}
        self.starts: list[int] = []
        self.metadata: dict[str, str] = {}
        self.ended = threading.Semaphore(0)

    def Watch(self, requests: Iterator[Any], context: Any) -> Iterator[Answer]:  # noqa: N802, ANN401  # as etcd has it
        over: queue.SimpleQueue[None] = queue.SimpleQueue()
        context.add_callback(lambda: over.put(None))
        self.metadata = dict(context.invocation_metadata())
        create = next(requests).create_request
        assert (create.key, create.range_end) == (b"\0", b"\0")
        self.starts.append(create.start_revision)
        yield etcdrpc.WatchResponse(created=True)
        for answer in self.answers.get(create.start_revision, []):
            if isinstance(answer, grpc.StatusCode):
                context.abort(answer, "told to")
            yield answer
        over.get()
        self.ended.release()


@pytest.fixture
def member() -> Member:
    return Member()


@pytest.fixture
def begin(member: Member, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Watch]]:
    monkeypatch.setattr(watch_module, "PAUSE", 0.001)
    server = grpc.server(ThreadPoolExecutor(8))
    etcdrpc.add_WatchServicer_to_server(member, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    channel = to_any_of([f"127.0.0.1:{port}"])
    yield lambda start: Watch(channel, start)
    channel.close()
    server.stop(0).wait()


def changes(*revisions: int) -> Answer:
    return etcdrpc.WatchResponse(events=[Event(kv=KeyValue(key=b"k", mod_revision=revision)) for revision in revisions])


def test_revisions_come_whole_and_the_watch_goes_on_where_it_was(member: Member, begin: Callable[[int], Watch]) -> None:
    member.answers = {7: [changes(7, 8, 8, 8)], 9: [changes(9)], 10: [changes(10)]}
    found = list(islice(begin(7), 4))
    assert [(part.revision, len(part.events)) for part in found if isinstance(part, Change)] == [
        (7, 1),
        (8, 3),
        (9, 1),
        (10, 1),
    ]
    assert member.starts == [7, 9, 10]
    assert member.metadata["hasleader"] == "true"


def test_each_stream_is_ended(member: Member, begin: Callable[[int], Watch]) -> None:
    member.answers = {7: [changes(7)], 8: [changes(8)]}
    list(islice(begin(7), 2))
    assert member.ended.acquire(timeout=5)


def test_what_was_compacted_is_told_before_the_end(member: Member, begin: Callable[[int], Watch]) -> None:
    member.answers = {7: [etcdrpc.WatchResponse(canceled=True, compact_revision=20)]}
    parts = iter(begin(7))
    assert next(parts) == Compacted(20)
    with pytest.raises(WatchEndedError, match="cancelled"):
        next(parts)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (etcdrpc.WatchResponse(canceled=True, cancel_reason="no leader"), "no leader"),
        (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE"),
    ],
)
def test_the_member_ends_it(member: Member, begin: Callable[[int], Watch], answer: Answer, why: str) -> None:
    member.answers = {7: [answer]}
    with pytest.raises(WatchEndedError, match=why):
        next(iter(begin(7)))


def test_it_is_closed_by_another_thread(member: Member, begin: Callable[[int], Watch]) -> None:
    watch = begin(7)
    member.answers = {7: [changes(7)]}
    parts = iter(watch)
    next(parts)
    timer = threading.Timer(0.05, watch.close)
    timer.start()
    with pytest.raises(WatchEndedError):
        next(parts)
    timer.join()


def test_it_was_closed_before_anybody_went_through_it(begin: Callable[[int], Watch]) -> None:
    watch = begin(7)
    watch.close()
    with pytest.raises(WatchEndedError, match="closed"):
        next(iter(watch))
