"""Deploy the Pulumi program without the Pulumi CLI, for machines that can't have it.

The unmodified program runs under Pulumi's own Python runtime. Its resources come to the monitor below, which does
what the real engine would do with them: builds images, creates and updates objects, waits for rollouts, hands the
live values back as outputs. Order and dependencies are the runtime's own.

An object that this engine made carries a label with the stack's name, from its creation on: that is how it is found
again, also after a run that was cut off, and why an object of somebody else's is never taken over. So the only state
is what the last run put out, and what the program stashed. What it is not: it makes no previews, knows no providers
but `kubernetes` and `docker`, ignores resource options other than dependencies, providers, `retain_on_delete` and the
hooks before a Stash changes, and never replaces an object that can't be changed in place.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import runpy
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.proto.callback_pb2 import Callback
from pulumi.runtime.proto.resource_pb2 import (
    RegisterResourceHookRequest,
    RegisterResourceRequest,
    RegisterResourceResponse,
)
from pulumi.runtime.rpc import is_rpc_secret, unwrap_rpc_secret
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack, run_pulumi_func
from rich.console import Console

from local import builder, hooks, rollout, stack_config
from local.errors import LocalError, exit_code
from local.kube import Kube, Object, delete_and_wait, describe
from local.stack_config import PROJECT, StackConfig

STACK_LABEL = "ha-counter/stack"
RETAINED_LABEL = "ha-counter/retained"
FIELD_MANAGER = "ha-counter-deploy"


def up(config: StackConfig, console: Console) -> dict[str, object]:
    """Make the cluster as the program says, remove what it no longer names, and return its outputs.

    Raises LocalError that names the resource; what was made until then stays, and the next run goes on from there.
    """
    engine = Engine(config.stack, console, _recorded(config, "stash"))
    outputs = _run_program(config, engine)
    for kube, item in _owned(engine.clusters(), config.stack):
        if _identity(item) not in engine.registered:
            _delete(kube, item, console)
    console.print(f"{engine.changed} changed, {engine.unchanged} unchanged")
    _record(config, {"outputs": outputs, "stash": engine.stash})
    return outputs


def down(config: StackConfig, console: Console) -> None:
    """Delete all that the stack has in the cluster but what is to be retained, last made first."""
    clusters = [Kube(config["context"], Path(config["kubeconfig"]) if config["kubeconfig"] else None)]
    for kube, item in _owned(clusters, config.stack):
        _delete(kube, item, console)
    config.record.unlink(missing_ok=True)


def output(config: StackConfig) -> dict[str, object]:
    """The outputs of the last `up`. Raises LocalError if there was none."""
    outputs = _recorded(config, "outputs")
    if not outputs:
        raise LocalError(f"stack {config.stack!r} is not deployed to {config['context']!r}; `make up` does it")
    return outputs


class Engine(Mocks):
    """What stands behind Pulumi's monitor: the runtime calls it for each resource, from several threads."""

    def __init__(self, stack: str, console: Console, stash: Mapping[str, Any]) -> None:
        """`stash` is what the last run left: the first and the last value of each Stash, by name."""
        self._stack = stack
        self._console = console
        self._clusters: dict[tuple[str, Path | None], Kube] = {}
        self._providers: dict[str, Kube] = {}
        self._lock = threading.Lock()
        self._stashed = stash
        self.stash: dict[str, Any] = {}
        self.requests: dict[tuple[str, str], RegisterResourceRequest] = {}
        self.hooks: dict[str, Callback] = {}
        self.registered: set[tuple[str, ...]] = set()
        self.changed = 0
        self.unchanged = 0
        self.failure: LocalError | None = None

    def clusters(self) -> list[Kube]:
        return list(self._clusters.values())

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        raise LocalError(f"function {args.token}: this engine has no provider functions; use the Pulumi CLI")

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Make one resource: its ID and its outputs. The first failure stops all that follow."""
        if self.failure:
            raise self.failure
        try:
            return self._make(args)
        except LocalError as error:
            self.failure = self.failure or error
            raise

    def _make(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        inputs = _plain(args.inputs)
        if args.typ == "pulumi:providers:kubernetes":
            return self._connect(args.name, inputs)
        if args.typ == "docker:index/image:Image":
            return self._image(inputs)
        if args.typ.startswith("kubernetes:"):
            return self._object(args, inputs)
        if args.typ == "docker:index/tag:Tag":
            builder.tag(inputs["sourceImage"], inputs["targetImage"])
            return args.name, inputs
        if args.typ == "pulumi:index:Stash":
            return self._stash(args, inputs)
        if not args.custom:  # a component: its children are what there is to make
            return None, {}
        raise LocalError(f"resource {args.name}: this engine can't make a {args.typ}; use the Pulumi CLI")

    def _connect(self, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        where = inputs["context"], Path(inputs["kubeconfig"]) if inputs.get("kubeconfig") else None
        with self._lock:
            if where not in self._clusters:
                self._clusters[where] = Kube(*where)
            self._providers[name] = self._clusters[where]
        return name, inputs

    def _image(self, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        what, account = inputs["build"], inputs.get("registry")
        build = builder.Build(
            name=inputs["imageName"],
            context=Path(what["context"]).resolve(),
            dockerfile=Path(what["dockerfile"]).resolve(),
            target=what.get("target"),
            push=not inputs.get("skipPush", False),
            platform=what.get("platform"),
            login=builder.Login(account["username"], account["password"]) if account else None,
        )
        with self._shown(f"image {build.name}") as done:
            built = builder.ensure(build, done.report)
            done.changed = built.changed
        return built.reference, {**inputs, "repoDigest": built.reference}

    def _stash(self, args: MockResourceArgs, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Remember the first value and the last; before that changes, call the program if it wants that."""
        before = self._stashed.get(args.name)
        request = self.requests[args.typ, args.name]
        if before is None or before["input"] != inputs["input"]:
            for hook in request.hooks.before_create if before is None else request.hooks.before_update:
                with self._shown(args.name) as done:
                    hooks.call(self.hooks[hook], request)
                    done.changed = True
        state = {**inputs, "output": before["output"] if before else inputs["input"]}
        with self._lock:
            self.stash[args.name] = state
        return args.name, state

    def _object(self, args: MockResourceArgs, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        wanted = self._marked(args, inputs)
        kube = self._providers.get(str(args.provider).rpartition("::")[2])
        if kube is None:
            raise LocalError(
                f"{describe(wanted)}: has no explicit provider, so there is no telling which cluster it is for"
            )
        with self._lock:
            self.registered.add(_identity(wanted))
        with self._shown(describe(wanted)) as done:
            before = kube.get(wanted)
            self._refuse_foreign(before)
            live = kube.apply(wanted, FIELD_MANAGER)
            done.changed = before is None or _content(before) != _content(live)
            rollout.wait(kube, live, done.report)
        metadata = live["metadata"]
        return "/".join(filter(None, [metadata.get("namespace"), metadata["name"]])), live

    def _marked(self, args: MockResourceArgs, inputs: dict[str, Any]) -> Object:
        """The object with a name, if the program left that to the engine, and with this engine's labels."""
        unique = hashlib.sha256(f"{self._stack} {args.typ} {args.name}".encode()).hexdigest()[:8]
        metadata = inputs.get("metadata") or {}
        labels = {**metadata.get("labels", {}), STACK_LABEL: self._stack}
        if self.requests[args.typ, args.name].retainOnDelete:
            labels[RETAINED_LABEL] = "true"
        return {**inputs, "metadata": {"name": f"{args.name}-{unique}", **metadata, "labels": labels}}

    def _refuse_foreign(self, live: Object | None) -> None:
        if live is None:
            return
        owner = live["metadata"].get("labels", {}).get(STACK_LABEL)
        if owner != self._stack:
            whose = f"stack {owner!r} made it" if owner else "this engine did not make it"
            raise LocalError(f"{describe(live)} exists and {whose}: delete it, or deploy to another namespace")

    @contextlib.contextmanager
    def _shown(self, what: str) -> Iterator["_Progress"]:
        progress = _Progress(what, self._console)
        started = time.monotonic()
        yield progress
        with self._lock:
            self.changed += progress.changed
            self.unchanged += not progress.changed
            verb = "made" if progress.changed else "unchanged"
            self._console.print(f"  {what}: {verb}, {time.monotonic() - started:.1f} s", markup=False, highlight=False)


class _Monitor(MockMonitor):
    """Tells the engine what is not among the arguments of its calls: resource options, and hooks."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._engine = engine

    def RegisterResource(self, request: RegisterResourceRequest) -> RegisterResourceResponse:  # noqa: N802
        self._engine.requests[request.type, request.name] = request
        response: RegisterResourceResponse = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        return response

    def RegisterResourceHook(self, request: RegisterResourceHookRequest) -> object:  # noqa: N802
        self._engine.hooks[request.name] = request.callback
        return super().RegisterResourceHook(request)  # type: ignore[no-untyped-call]


class _Progress:
    """What is said of one resource while it is made: each state once."""

    def __init__(self, what: str, console: Console) -> None:
        self._what = what
        self._console = console
        self._last = ""
        self.changed = False

    def report(self, state: str) -> None:
        if state != self._last:
            self._console.print(f"  {self._what}: {state} ...", markup=False, highlight=False, style="dim")
            self._last = state


def _run_program(config: StackConfig, engine: Engine) -> dict[str, object]:
    """Run the program to its end; its exports."""
    exports: dict[str, object] = {}

    def program() -> None:
        runpy.run_path(str(config.program), run_name="__main__")

    async def run() -> None:
        # What waited for a resource that failed fails too; the failure itself is told once, below.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        # All that waits for a resource belongs to one event loop, the stack itself included.
        set_mocks(engine, project=PROJECT, stack=config.stack, preview=False, monitor=_Monitor(engine))
        await run_pulumi_func(program)
        stack = get_root_resource()
        assert isinstance(stack, Stack)
        exports.update(await pulumi.Output.from_input(stack.outputs).future() or {})

    pulumi.runtime.set_all_config(dict(config.values))
    try:
        # The program runs in its own folder, as the real engine runs it.
        with contextlib.chdir(config.program):
            asyncio.run(run())
    except pulumi.RunError as error:
        raise LocalError(str(error)) from error
    except Exception:
        if engine.failure:
            raise engine.failure from None
        raise
    return {name: _plain(value) for name, value in exports.items()}


def _owned(clusters: list[Kube], stack: str) -> list[tuple[Kube, Object]]:
    """All objects of the stack but what is to be retained, last made first."""
    found = [
        (kube, item)
        for kube in clusters
        for item in kube.labelled(f"{STACK_LABEL}={stack}")
        # Controllers copy labels to what they make (a Service's to its Endpoints): those are theirs to delete.
        if any(entry["manager"] == FIELD_MANAGER for entry in item["metadata"].get("managedFields", []))
        and RETAINED_LABEL not in item["metadata"]["labels"]
    ]
    return sorted(found, key=lambda pair: _age(pair[1]), reverse=True)


def _age(item: Object) -> tuple[str, int]:
    """Sorts by when objects were made; of those of one second, what holds the others came first, then what they use."""
    rank = 0 if item["kind"] == "Namespace" else 2 if item["kind"] in ("Deployment", "StatefulSet") else 1
    return item["metadata"]["creationTimestamp"], rank


def _delete(kube: Kube, item: Object, console: Console) -> None:
    started = time.monotonic()
    delete_and_wait(kube, item)
    console.print(f"  {describe(item)}: deleted, {time.monotonic() - started:.1f} s", markup=False, highlight=False)


def _content(item: Object) -> Object:
    """What an object says, without the cluster's own book-keeping."""
    bookkeeping = ("managedFields", "resourceVersion", "generation")
    metadata = {key: value for key, value in item["metadata"].items() if key not in bookkeeping}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}


def _identity(item: Object) -> tuple[str, ...]:
    metadata = item["metadata"]
    group = item["apiVersion"].rpartition("/")[0]
    return group, item["kind"], metadata.get("namespace") or "", metadata["name"]


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A value as Kubernetes wants it: 3 where the runtime hands over 3.0, and secrets out of their wrapping."""
    if is_rpc_secret(value):
        return _plain(unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _record(config: StackConfig, content: Mapping[str, object]) -> None:
    """Write it as a whole or not at all, whatever ends this run."""
    part = config.record.with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(json.dumps(content))
    part.rename(config.record)


def _recorded(config: StackConfig, what: str) -> dict[str, object]:
    """What the last `up` left on record: its outputs, or what the program stashed. Nothing if there was none."""
    try:
        content: dict[str, object] = json.loads(config.record.read_text())[what]
    except FileNotFoundError:
        return {}
    return content


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.deploy", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["up", "down", "output"])
    parser.add_argument("key", nargs="?", help="with `output`: print only this one")
    stack_config.add_arguments(parser)
    arguments = parser.parse_args()
    return exit_code(lambda: _run(arguments, Console(stderr=True)))


def _run(arguments: argparse.Namespace, console: Console) -> int:
    config = stack_config.from_arguments(arguments)
    if arguments.command == "down":
        down(config, console)
        return 0
    outputs = up(config, console) if arguments.command == "up" else output(config)
    print_outputs(outputs, arguments.key)
    return 0


def print_outputs(outputs: dict[str, object], key: str | None) -> None:
    """One value, or all of them, as `pulumi stack output` prints them. Raises LocalError for one that there is not."""
    if key is None:
        for name, value in outputs.items():
            print(f"{name:16} {value if isinstance(value, str) else json.dumps(value)}")
        return
    if key not in outputs:
        raise LocalError(f"output {key!r}: no such output; there are {sorted(outputs)}")
    value = outputs[key]
    print(value if isinstance(value, str) else json.dumps(value))


if __name__ == "__main__":
    sys.exit(main())
