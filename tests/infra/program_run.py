"""Run the Pulumi program without an engine, and record what it registers."""

import asyncio
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime import MockResourceArgs, Mocks, get_root_resource, set_mocks
from pulumi.runtime.mocks import MockCallArgs, MockMonitor
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.rpc import is_rpc_secret, unwrap_rpc_secret
from pulumi.runtime.settings import SETTINGS
from pulumi.runtime.stack import Stack, run_pulumi_func

from tests.infra.stack_config import PROJECT, ROOT, with_config

STACK = "test"
IMAGE = "docker:index/image:Image"
SECRET = "kubernetes:core/v1:Secret"
SERVICE = "kubernetes:core/v1:Service"
STASH = "pulumi:index:Stash"

# What every Service gets that does not say otherwise.
CLUSTER_IP = "10.0.0.7"


@dataclass(frozen=True)
class Registration:
    """A resource as the program registered it.

    `parent`, `former_parents` and `dependencies` are URNs, `hooks` the moments at which the engine is to call the
    program, `ignored` the inputs whose changes are not made, `visible` what of the inputs can be read in the stack's
    state.
    """

    urn: str
    type: str
    name: str
    parent: str
    former_parents: frozenset[str]
    provider: str
    dependencies: frozenset[str]
    retained: bool
    hooks: frozenset[str]
    ignored: frozenset[str]
    inputs: dict[str, Any]
    visible: object


@dataclass(frozen=True)
class ProgramRun:
    """What came of a run: resources in the order of their registration, and the stack's outputs."""

    resources: list[Registration]
    finished_components: set[str]
    outputs: dict[str, Any]

    def find(self, type_: str, name: str) -> Registration:
        """The one resource of a type and name."""
        [found] = [resource for resource in self.of_type(type_) if resource.name == name]
        return found

    def of_type(self, type_: str) -> list[Registration]:
        """All resources of a type."""
        return [resource for resource in self.resources if resource.type == type_]

    def all_dependencies(self, resource: Registration) -> set[str]:
        """What a resource depends on, and what that depends on, and so on."""
        direct = [each for each in self.resources if each.urn in resource.dependencies]
        return {*resource.dependencies, *(urn for each in direct for urn in self.all_dependencies(each))}


def run_infra() -> None:
    """Run infra/ as Pulumi's language host does."""
    runpy.run_path(str(ROOT / "infra"), run_name="__main__")


def run_program(
    config: Mapping[str, str],
    *,
    stack: str = STACK,
    preview: bool = False,
    program: Callable[[], None] = run_infra,
    registrations: list[Registration] | None = None,
    stashed: Mapping[str, object] | None = None,
) -> ProgramRun:
    """Run a program to its end, `apply`s included.

    Args:
        config: The stack's config, by keys without the project's name.
        stack: The stack's name.
        preview: Whether to keep back what only a real deployment would know.
        program: What to run.
        registrations: Gets each registration as it comes, to be looked at when the run fails.
        stashed: What earlier runs stashed first, by name.

    Raises:
        Exception: Whatever the program or one of its `apply`s raised.
    """
    monitor = _RecordingMonitor(_Cluster(preview, stashed or {}), [] if registrations is None else registrations)
    return with_config(config, lambda: _run(program, monitor, stack, preview))


def _run(program: Callable[[], None], monitor: "_RecordingMonitor", stack: str, preview: bool) -> ProgramRun:
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)  # failures that follow from the one that is raised
    asyncio.set_event_loop(loop)
    try:
        set_mocks(monitor.mocks, project=PROJECT, stack=stack, preview=preview, monitor=monitor)
        loop.run_until_complete(run_pulumi_func(program))
        root = get_root_resource()
        assert isinstance(root, Stack)
        outputs = loop.run_until_complete(pulumi.Output.from_input(root.outputs).future())
    finally:
        SETTINGS.outputs.clear()  # A run that failed leaves some, and the next one would wait for them.
        asyncio.set_event_loop(None)
        loop.close()
    return ProgramRun(monitor.registrations, monitor.finished_components, outputs or {})


class _Cluster(Mocks):
    """Makes everything as it was asked for. An image's digest is known once it was built, so not in a preview.

    A stash keeps what it got first. Secrets get the names that the program left to the engine. Services get an address,
    but in a preview: there Pulumi does not ask the cluster while the namespace is yet to be made.
    """

    def __init__(self, preview: bool, stashed: Mapping[str, object]) -> None:
        self.preview = preview
        self.stashed = stashed

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        state = dict(args.inputs)
        if args.typ == IMAGE and not self.preview:
            repository = args.inputs["imageName"].rpartition(":")[0]
            digest = f"sha256:{'0' * 64}"
            state["repoDigest"] = digest if args.inputs["skipPush"] else f"{repository}@{digest}"
        if args.typ == SECRET:
            state["metadata"] = {**args.inputs["metadata"], "name": f"{args.name}-0a1b2c"}
        if args.typ == SERVICE and not self.preview:
            state["spec"] = {"clusterIP": CLUSTER_IP, **args.inputs["spec"]}
        if args.typ == STASH:
            state["output"] = self.stashed.get(args.name, args.inputs["input"])
        return f"{args.name}-id", state

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(f"the program looks up {args.token}")


class _RecordingMonitor(MockMonitor):
    def __init__(self, mocks: Mocks, registrations: list[Registration]) -> None:
        super().__init__(mocks)
        self.registrations = registrations
        self.finished_components: set[str] = set()

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> Any:  # noqa: ANN401, N802
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if response.urn in self.resources:
            self.registrations.append(
                Registration(
                    urn=response.urn,
                    type=request.type,
                    name=request.name,
                    parent=request.parent,
                    former_parents=frozenset(alias.spec.parentUrn for alias in request.aliases),
                    provider=request.provider,
                    dependencies=frozenset(request.dependencies),
                    retained=request.retainOnDelete,
                    hooks=frozenset(moment.name for moment, _ in request.hooks.ListFields()),
                    ignored=frozenset(request.ignoreChanges),
                    inputs=_opened(self.resources[response.urn].state),
                    visible=_redacted(self.resources[response.urn].state),
                )
            )
        return response

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> Any:  # noqa: ANN401, N802
        self.finished_components.add(request.urn)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def _opened(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A value with the secrets in it as if they were none."""
    return _without_secrets(value, lambda secret: _opened(unwrap_rpc_secret(secret)))


def _redacted(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A value with something else in the place of secrets."""
    return _without_secrets(value, lambda _secret: "[secret]")


def _without_secrets(value: Any, instead: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - any JSON value
    if is_rpc_secret(value):
        return instead(value)
    if isinstance(value, dict):
        return {key: _without_secrets(item, instead) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item, instead) for item in value]
    return value
