"""What the Pulumi CLI remembers of a stack, as `pulumi stack export` prints it."""

from collections.abc import Iterator, Mapping
from typing import Any

from local.kube import Object

State = Mapping[str, Any]

_FIELD_MANAGER = "pulumi-kubernetes"


def has_pending_creations(state: State) -> bool:
    """Whether a run was cut off while it made something. Pulumi does not know whether that is there now."""
    return any(_pending_creations(state))


def half_made_objects(state: State) -> list[Object]:
    """The Kubernetes objects among them, but those that outlive stacks: Pulumi takes over what is there of these."""
    known = {resource["urn"] for resource in state.get("resources") or []}
    return [
        resource["inputs"]
        for resource in _pending_creations(state)
        if resource["type"].startswith("kubernetes:")
        and resource["urn"] not in known
        and not resource.get("retainOnDelete")
    ]


def is_made_by_pulumi(live: Object) -> bool:
    """Whether it was the CLI that made an object, for this stack or for another."""
    managers = [entry["manager"] for entry in live["metadata"].get("managedFields", [])]
    return any(manager.startswith(_FIELD_MANAGER) for manager in managers)


def context(state: State) -> str | None:
    """The kubeconfig's context that the stack is deployed to, if it is."""
    for resource in state.get("resources") or []:
        if resource["urn"].endswith("::fixed-settings"):
            first: str = resource["outputs"]["output"]["context"]
            return first
    return None


def _pending_creations(state: State) -> Iterator[dict[str, Any]]:
    for operation in state.get("pending_operations") or []:
        if operation["type"] == "creating":
            yield operation["resource"]
