"""Runs the unmodified program under Pulumi's own Python runtime, with an engine of ours behind it.

Order and dependencies are the runtime's own.
"""

import asyncio
import contextlib
import runpy
from collections.abc import Iterator
from typing import Any

import pulumi
from pulumi.runtime.mocks import MockMonitor, set_mocks
from pulumi.runtime.proto.resource_pb2 import (
    ReadResourceRequest,
    ReadResourceResponse,
    RegisterResourceHookRequest,
    RegisterResourceRequest,
    RegisterResourceResponse,
)
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack, run_pulumi_func

from local.engine import Engine
from local.errors import LocalError
from local.stack_config import PROJECT, StackConfig
from local.values import plain


def run(config: StackConfig, engine: Engine) -> dict[str, object]:
    """Run the program to its end; its exports. (In a dry run: none, if one of them is unknown.)

    Raises LocalError that names the resource that failed or says what the program objects to. Exceptions that are bugs
    of the program are raised as they are.
    """
    pulumi.runtime.set_all_config(dict(config.values))
    try:
        # The program runs in its own folder, as the real engine runs it.
        with contextlib.chdir(config.program):
            return asyncio.run(_run(config, engine))
    except Exception as error:
        # What waited for a resource that failed fails, too. The first failure is the cause.
        failure = engine.failure or error
        if isinstance(failure, pulumi.RunError):
            raise LocalError(str(failure)) from failure
        raise failure from None


async def _run(config: StackConfig, engine: Engine) -> dict[str, object]:
    def program() -> None:
        try:
            runpy.run_path(str(config.program), run_name="__main__")
        except Exception as error:
            engine.fail(error)
            raise

    # Failures that follow from the first one are not told.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    # All that waits for a resource belongs to one event loop, the stack itself included.
    set_mocks(engine, project=PROJECT, stack=config.stack, preview=engine.dry_run, monitor=_Monitor(engine))
    try:
        await run_pulumi_func(program)
    except BaseException as error:
        # The loop ends only when all threads have: none may wait for minutes for a rollout.
        engine.fail(error if isinstance(error, Exception) else LocalError("interrupted"))
        raise
    stack = get_root_resource()
    assert isinstance(stack, Stack)
    outputs = await pulumi.Output.from_input(stack.outputs).future()
    return {name: plain(value) for name, value in (outputs or {}).items()}


class _Monitor(MockMonitor):
    """Tells the engine what is not among the arguments of its calls: resource options, and hooks."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._engine = engine

    def RegisterResource(self, request: RegisterResourceRequest) -> RegisterResourceResponse:  # noqa: N802
        urn = self.make_urn(request.parent, request.type, request.name)
        self._engine.announce(request, urn)
        with _event_loop():
            response: RegisterResourceResponse = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        return response

    def ReadResource(self, request: ReadResourceRequest) -> ReadResourceResponse:  # noqa: N802
        with _event_loop():
            response: ReadResourceResponse = super().ReadResource(request)  # type: ignore[no-untyped-call]
        return response

    def RegisterResourceHook(self, request: RegisterResourceHookRequest) -> Any:  # noqa: ANN401, N802
        self._engine.announce_hook(request.name, request.callback)
        return super().RegisterResourceHook(request)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _event_loop() -> Iterator[None]:
    """One for this worker thread. The mocks would leave theirs open, of which Python may complain when it ends."""
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)
        try:
            yield
        finally:
            asyncio.set_event_loop(None)
