"""What is done with each resource of the program, where Pulumi's own engine can't be had.

It does what the real one would do: builds images, creates and updates objects, waits for rollouts, and hands the live
values back as outputs. What it is not: it knows no providers but `kubernetes` and `docker`, ignores resource options
other than dependencies, providers, `retain_on_delete`, `ignore_changes` and the hooks before a Stash changes, wants
another name for each resource of a type, whatever their parents, and never replaces an object that can't be changed in
place.

In a dry run it asks the API server what each object would be and changes nothing. What only a real run can know, like
the digest of an image that is yet to be built, is unknown to the program then, as in a preview of the real engine.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks
from pulumi.runtime.proto.callback_pb2 import Callback
from pulumi.runtime.proto.resource_pb2 import RegisterResourceRequest
from pulumi.runtime.rpc import UNKNOWN

from local import builder, hooks, rollout
from local.differences import KNOWN_LATER, content, differences
from local.errors import LocalError
from local.ignored import keeping
from local.kube import Kube, Object, delete_and_wait, describe
from local.outcomes import Outcome, Outcomes
from local.ownership import FIELD_MANAGER, Identity, identity, marked, refuse_foreign
from local.values import holds_secret, plain

Made = tuple[str | None, dict[str, Any]]  # the ID and the outputs of a resource


class Engine(Mocks):
    """What stands behind Pulumi's monitor: the runtime calls it for each resource, from several threads."""

    def __init__(
        self, stack: str, outcomes: Outcomes, stashed: Mapping[str, Mapping[str, Any]], *, dry_run: bool = False
    ) -> None:
        """`stashed` is what the last run left: the first and the last value of each Stash, by name."""
        self.dry_run = dry_run
        self.stash: dict[str, Mapping[str, Any]] = {}
        self.failure: Exception | None = None
        self._stack = stack
        self._outcomes = outcomes
        self._stashed = stashed
        self._requests: dict[tuple[str, str], RegisterResourceRequest] = {}
        self._depths: dict[str, int] = {}  # by URN; greater than the depths of all that the resource depends on
        self._hooks: dict[str, Callback] = {}
        self._clusters: dict[tuple[str, Path | None], Kube] = {}
        self._providers: dict[str, Kube] = {}
        self._objects: dict[tuple[Kube, Identity], str] = {}
        self._lock = threading.Lock()
        self._building = threading.Lock()

    def clusters(self) -> list[Kube]:
        return list(self._clusters.values())

    def identities(self) -> set[Identity]:
        """What the program named of Kubernetes' objects."""
        return {identity for _, identity in self._objects}

    def fail(self, error: Exception) -> None:
        """Begin nothing more, and wait for nothing more. The first failure is the one that is told."""
        with self._lock:
            self.failure = self.failure or error

    def announce(self, request: RegisterResourceRequest, urn: str) -> None:
        """Take note of a resource's options, which `new_resource` does not get. Raises LocalError if it is there."""
        with self._lock:
            twice = (request.type, request.name) in self._requests
            self._requests[request.type, request.name] = request
            self._depths[urn] = 1 + self._depth_of_dependencies(request)
        if twice:
            error = LocalError(f"two resources of type {request.type} are named {request.name!r}; rename one")
            self.fail(error)
            raise error

    def _depth_of_dependencies(self, request: RegisterResourceRequest) -> int:
        """How deep the deepest of them is; they were all announced before. (What is only read has no depth.)"""
        return max((self._depths.get(urn, 0) for urn in request.dependencies), default=0)

    def announce_hook(self, name: str, callback: Callback) -> None:
        self._hooks[name] = callback

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        raise LocalError(f"function {args.token}: this engine has no provider functions; use the Pulumi CLI")

    def new_resource(self, args: MockResourceArgs) -> Made:
        """Make or read one resource. The first failure stops all that follow."""
        try:
            self._stop_if_failed()
            # The runtime says of each resource that is to be made whether it is a custom one.
            return self._read(args) if args.custom is None else self._make(args)
        except Exception as error:
            self.fail(error)
            raise

    def _stop_if_failed(self) -> None:
        if self.failure:
            raise self.failure

    def _make(self, args: MockResourceArgs) -> Made:
        inputs = plain(args.inputs)
        if args.typ == "pulumi:providers:kubernetes":
            return self._connect(args.name, inputs)
        if args.typ == "docker:index/image:Image":
            return self._image(inputs)
        if args.typ.startswith("kubernetes:"):
            return self._object(args, inputs)
        if args.typ == "docker:index/tag:Tag":
            return self._tag(args.name, inputs)
        if args.typ == "pulumi:index:Stash":
            return self._stash(args, inputs)
        if not args.custom:  # a component: its children are what there is to make
            return None, {}
        raise LocalError(f"resource {args.name}: this engine can't make a {args.typ}; use the Pulumi CLI")

    def _connect(self, name: str, inputs: dict[str, Any]) -> Made:
        where = inputs["context"], Path(inputs["kubeconfig"]) if inputs.get("kubeconfig") else None
        with self._lock:
            if where not in self._clusters:
                self._clusters[where] = Kube(*where)
            self._providers[name] = self._clusters[where]
        return name, inputs

    def _image(self, inputs: dict[str, Any]) -> Made:
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
        # One at a time: images share stages, which the second then finds in the builder's cache.
        with self._building, self._outcomes.of(f"image {build.name}") as work:
            self._stop_if_failed()
            if self.dry_run:
                reference = builder.find(build)
                changed = reference is None
            else:
                built = builder.ensure(build, self._stoppable(work.report))
                reference, changed = built.reference, built.changed
            work.outcome = Outcome.BUILT if changed else Outcome.UNCHANGED
        return reference or UNKNOWN, {**inputs, "repoDigest": reference or UNKNOWN}

    def _tag(self, name: str, inputs: dict[str, Any]) -> Made:
        if not self.dry_run:
            builder.tag(inputs["sourceImage"], inputs["targetImage"])
        return name, inputs

    def _stash(self, args: MockResourceArgs, inputs: dict[str, Any]) -> Made:
        """Remember the first value and the last; before that changes, call the program if it wants that."""
        before = self._stashed.get(args.name)
        if before is None or before["input"] != inputs["input"]:
            request = self._requests[args.typ, args.name]
            for hook in request.hooks.before_create if before is None else request.hooks.before_update:
                with self._outcomes.of(args.name) as work:
                    if not self.dry_run:
                        hooks.call(self._hooks[hook], request)
                    work.outcome = Outcome.CHANGED if before else Outcome.MADE
                    work.differences = _differences(before, {**before, **inputs}, args) if before else []
        state = {**inputs, "output": before["output"] if before else inputs["input"]}
        with self._lock:
            self.stash[args.name] = state
        return args.name, state

    def _read(self, args: MockResourceArgs) -> Made:
        if not args.typ.startswith("kubernetes:"):
            raise LocalError(f"resource {args.name}: this engine can't read a {args.typ}; use the Pulumi CLI")
        api_version, _, kind = args.typ.removeprefix("kubernetes:").rpartition(":")
        namespace, _, name = str(args.resource_id).rpartition("/")
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        wanted = {"apiVersion": api_version.removeprefix("core/"), "kind": kind, "metadata": metadata}
        live = self._cluster_of(args, wanted).get(wanted)
        if live is None:
            raise LocalError(f"{describe(wanted)}: the program reads it, but there is none")
        return args.resource_id, live

    def _object(self, args: MockResourceArgs, inputs: dict[str, Any]) -> Made:
        request = self._requests[args.typ, args.name]
        depth = 1 + self._depth_of_dependencies(request)
        wanted = marked(self._named(args, inputs), self._stack, depth=depth, retained=request.retainOnDelete)
        kube = self._cluster_of(args, wanted)
        self._claim(kube, wanted, args.name)
        with self._outcomes.of(describe(wanted).replace(UNKNOWN, KNOWN_LATER)) as work:
            before = kube.get(wanted)
            refuse_foreign(before, self._stack)
            if before is not None and _must_go(before):
                if not self.dry_run:
                    delete_and_wait(kube, before)
                before = None
            if before is not None:
                wanted = keeping(wanted, before, request.ignoreChanges)
            live = self._would_be(kube, wanted, before) if self.dry_run else kube.apply(wanted, FIELD_MANAGER)
            if before is None:
                work.outcome = Outcome.MADE
            elif content(before) != content(live):
                work.outcome = Outcome.CHANGED
                work.differences = _differences(content(before), content(live), args)
            if not self.dry_run:
                rollout.wait(kube, live, self._stoppable(work.report))
        metadata = live["metadata"]
        return "/".join(filter(None, [metadata.get("namespace"), metadata["name"]])), live

    def _named(self, args: MockResourceArgs, inputs: dict[str, Any]) -> Object:
        """The object with a name, if the program left that to the engine: the same in every run."""
        unique = hashlib.sha256(f"{self._stack} {args.typ} {args.name}".encode()).hexdigest()[:8]
        return {**inputs, "metadata": {"name": f"{args.name}-{unique}", **(inputs.get("metadata") or {})}}

    def _cluster_of(self, args: MockResourceArgs, item: Object) -> Kube:
        kube = self._providers.get(str(args.provider).rpartition("::")[2])
        if kube is None:
            raise LocalError(
                f"{describe(item)}: has no explicit provider, so there is no telling which cluster it is for"
            )
        return kube

    def _claim(self, kube: Kube, item: Object, resource: str) -> None:
        with self._lock:
            other = self._objects.setdefault((kube, identity(item)), resource)
        if other != resource:
            raise LocalError(f"{describe(item)}: two resources are this object, {other!r} and {resource!r}")

    def _would_be(self, kube: Kube, wanted: Object, before: Object | None) -> Object:
        """What the API server would make of an object. It can't tell for a namespace that it does not have yet."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": wanted["metadata"].get("namespace")}}
        if (kube, identity(namespace)) in self._objects and kube.get(namespace) is None:
            live = wanted
        else:
            live = kube.apply(wanted, FIELD_MANAGER, dry_run=True)
        if before is None and wanted["kind"] == "Service":
            # In a dry run, the server gives any address that is free: the real run will be given another.
            return {**live, "spec": {**live["spec"], "clusterIP": wanted["spec"].get("clusterIP", UNKNOWN)}}
        return live

    def _stoppable(self, report: Callable[[str], None]) -> Callable[[str], None]:
        """What is told of some long work ends it, if the run has failed meanwhile."""

        def report_or_stop(state: str) -> None:
            self._stop_if_failed()
            report(state)

        return report_or_stop


def _must_go(live: Object) -> bool:
    """Whether a run that was cut off left an object that can't be used any more, and takes the place of a new one.

    That is one that is being deleted, and a PersistentVolume whose claim is gone: it takes no other claim, not even one
    of the same name.
    """
    is_released = live["kind"] == "PersistentVolume" and live.get("status", {}).get("phase") == "Released"
    return is_released or "deletionTimestamp" in live["metadata"]


def _differences(before: object, after: object, args: MockResourceArgs) -> list[str]:
    return differences(before, after, secret=holds_secret(args.inputs))
