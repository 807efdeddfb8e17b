import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from chaos import processes
from chaos.system import System
from local.errors import LocalError
from local.layout import Layout

SYSTEM = System(Layout("none", 0), 30180)
POD = {"metadata": {"name": "etcd-0", "uid": "4711"}}


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A pod's only process."""
    with subprocess.Popen(["sleep", "60"]) as started:
        monkeypatch.setattr(processes, "of_pod", lambda *_: [started.pid])
        yield started
        started.kill()


def test_a_killed_pod_is_not_asked(process: subprocess.Popen[bytes]) -> None:
    processes.kill(SYSTEM, POD)

    assert process.wait() == -signal.SIGKILL


def test_a_stopped_pod_goes_on_whatever_happens(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(KeyboardInterrupt), processes.stopped(SYSTEM, POD):
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        raise KeyboardInterrupt
    process.terminate()
    assert process.wait(10) == -signal.SIGTERM  # which one that is stopped does not see


def test_a_process_that_has_ended_by_itself_is_passed_over(process: subprocess.Popen[bytes]) -> None:
    with processes.stopped(SYSTEM, POD):
        process.kill()
        process.wait()


def test_a_pod_without_processes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.cgroups.processes", lambda _: set())

    with pytest.raises(LocalError, match="pod etcd-0 has no processes"):
        processes.kill(SYSTEM, POD)
