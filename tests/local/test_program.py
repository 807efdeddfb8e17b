"""How the program is run, and how a run ends that fails."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pulumi.runtime.mocks import MockResourceArgs

from local import builder, deploy, rollout
from local.builder import Build, Built
from local.engine import Engine
from local.errors import LocalError
from local.kube import Kube, Object
from tests.local.in_memory_kube import InMemoryKube
from tests.local.small_programs import CLUSTER, DEPLOYMENT, IMAGE, Up, Write, error_of


def test_what_the_program_objects_to_is_told_in_its_words(write: Write, up: Up) -> None:
    assert error_of(up, write(CLUSTER, 'raise pulumi.RunError("the config is wrong")')) == "the config is wrong"


def test_a_bug_in_the_program_keeps_its_own_exception(write: Write, up: Up) -> None:
    with pytest.raises(ZeroDivisionError):
        up(write(CLUSTER, "1 / 0"))


def test_a_bug_in_an_apply_keeps_its_own_exception(write: Write, up: Up) -> None:
    with pytest.raises(ZeroDivisionError):
        up(write(CLUSTER, "namespace.metadata.apply(lambda metadata: 1 / 0)"))


def test_of_two_failures_at_once_the_first_is_told(write: Write, up: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    first_has_failed = threading.Event()

    class Watched(Engine):
        def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
            try:
                return super().new_resource(args)
            except LocalError:
                first_has_failed.set()
                raise

    def fail_first(_build: Build, _report: Callable[[str], None]) -> Built:
        raise LocalError("the first one")

    def fail_second(*_: object, **__: object) -> Object:
        first_has_failed.wait(timeout=5)
        raise LocalError("the second one")

    monkeypatch.setattr(deploy, "Engine", Watched)
    monkeypatch.setattr(builder, "ensure", fail_first)
    monkeypatch.setattr(InMemoryKube, "apply", fail_second)

    assert error_of(up, write(CLUSTER, IMAGE)) == "the first one"


def test_no_event_loop_is_left_open(write: Write, up: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    loops = []
    new_event_loop = asyncio.new_event_loop

    def recorded() -> asyncio.AbstractEventLoop:
        loops.append(new_event_loop())
        return loops[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", recorded)

    up(write(CLUSTER))

    assert loops
    assert [loop for loop in loops if not loop.is_closed()] == []


def test_a_program_that_fails_makes_nothing(write: Write, up: Up, kube: InMemoryKube) -> None:
    with pytest.raises(ZeroDivisionError):
        up(write(CLUSTER, "1 / 0"))

    assert kube.applied == []


class Rollout:
    """One that never ends by itself, and reports all the time."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.was_stopped = False

    def wait(self, _kube: Kube, item: Object, report: Callable[[str], None]) -> None:
        if item["kind"] != "Deployment":
            return
        self.has_begun.set()
        deadline = time.monotonic() + 30  # that is what a failure takes
        try:
            while time.monotonic() < deadline:
                report("0 of 2 pods ready")
                time.sleep(0.001)
        except LocalError:
            self.was_stopped = True
            raise


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Rollout:
    """What a Deployment's rollout does."""
    fake = Rollout()
    monkeypatch.setattr(rollout, "wait", fake.wait)
    return fake


TAG = 'docker.Tag("tag", source_image=image.repo_digest, target_image="web:1")'


def test_a_rollout_is_not_waited_for_when_another_resource_fails(
    write: Write, up: Up, waits: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_image: str, _name: str) -> None:
        assert waits.has_begun.wait(timeout=60)
        raise LocalError("no such image")

    monkeypatch.setattr(builder, "tag", fail)

    assert error_of(up, write(CLUSTER, IMAGE, DEPLOYMENT, TAG)) == "no such image"
    assert waits.was_stopped


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """A shell's background job ignores it, and hands that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_a_rollout_is_not_waited_for_after_ctrl_c(
    write: Write, up: Up, waits: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(_image: str, _name: str) -> None:
        assert waits.has_begun.wait(timeout=60)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(builder, "tag", press)

    with pytest.raises(KeyboardInterrupt):
        up(write(CLUSTER, IMAGE, DEPLOYMENT, TAG))
    assert waits.was_stopped
