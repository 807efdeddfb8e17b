"""A replica that is paused past its lease loses its shard to the others, and counts on when it wakes up."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from etcd.endpoints import Endpoint
from tests.members import one_replica
from tests.members.cluster import PATIENCE, Cluster, wait_until
from tests.members.load import Answer, History, Load, count_of, kept_keys, replicas, shards
from tests.members.proxy import Proxy

ROOT = Path(__file__).parents[2]
NUMBER = 2  # of the replica in a process of its own; the others are 0 and 1


class OtherProcess:
    """A replica elsewhere, with clients of its own, whose answers are added to a history."""

    def __init__(self, endpoints: Sequence[Endpoint], history: History) -> None:
        self._history = history
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.members.one_replica", *(str(endpoint.port) for endpoint in endpoints)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'app'}"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def goes_on(self) -> None:
        seen = len(self._answers())
        wait_until(lambda: len(self._answers()) >= seen + 30, "the replica in another process counts")

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(PATIENCE) == 0
        self._reader.join()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> list[Answer]:
        return [answer for answer in self._history.answers if answer.replica == NUMBER and answer.value is not None]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = line.strip()
            value = int(told) if told.isdigit() else None
            answer = Answer(NUMBER, time.monotonic(), value, is_not_counted=told == one_replica.NOT_COUNTED)
            self._history.answers.append(answer)


@contextmanager
def other_process(endpoints: Sequence[Endpoint], history: History) -> Iterator[OtherProcess]:
    process = OtherProcess(endpoints, history)
    try:
        yield process
    finally:
        process.kill()


@pytest.mark.usefixtures("short_times")
def test_a_replica_is_paused_past_its_lease(cluster: Cluster) -> None:
    """Its last batch is counted, and it does not know yet: those who fold its shard have to leave word."""
    before = count_of(cluster.endpoints)
    with ExitStack() as stack:
        proxies = [stack.enter_context(closing(Proxy(member.endpoint))) for member in cluster.members]
        running = stack.enter_context(replicas(cluster.endpoints, count=2))
        load = stack.enter_context(closing(Load(running)))
        other = stack.enter_context(other_process([proxy.endpoint for proxy in proxies], load.history))
        for _ in range(2):
            other.goes_on()
            of_all = shards(cluster.endpoints)
            assert len(of_all) == 3
            lost = sum(proxy.lost for proxy in proxies)
            for proxy in proxies:
                proxy.mute()
            wait_until(lambda: sum(proxy.lost for proxy in proxies) > lost, "a reply is lost")  # noqa: B023
            other.pause()
            wait_until(lambda: len(shards(cluster.endpoints)) == 2, "the paused replica's shard is folded")
            load.goes_on()
            for proxy in proxies:
                proxy.unmute()
            other.resume()
            other.goes_on()
            assert len(shards(cluster.endpoints) - of_all) == 1  # it has got another one
        other.stop()
    load.history.check(before, count_of(cluster.endpoints))
    assert kept_keys(cluster.endpoints) == {b"c/base"}
