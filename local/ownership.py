"""Which objects of a cluster are a stack's.

An object that the engine makes carries a label with the stack's name, from its creation on: that is how it is found
again, also after a run that was cut off, and why an object of somebody else's is never taken over. Another label tells
what must be there before it, and so be gone after it.
"""

from collections.abc import Iterable

from local.errors import LocalError
from local.kube import Kube, Object, describe

STACK_LABEL = "ha-counter/stack"
RETAINED_LABEL = "ha-counter/retained"
DEPTH_LABEL = "ha-counter/depth"
FIELD_MANAGER = "ha-counter-deploy"

Identity = tuple[str, str, str, str]


def identity(item: Object) -> Identity:
    """What tells an object from all others of its cluster, in whatever version of the API it is named."""
    metadata = item["metadata"]
    return item["apiVersion"].rpartition("/")[0], item["kind"], metadata.get("namespace") or "", metadata["name"]


def marked(item: Object, stack: str, *, depth: int, retained: bool) -> Object:
    """The object with the labels of a stack's own.

    `depth` is greater than that of all that the object depends on. What is retained outlives the stack.
    """
    marks = {STACK_LABEL: stack, DEPTH_LABEL: str(depth), **({RETAINED_LABEL: "true"} if retained else {})}
    metadata = item["metadata"]
    return {**item, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), **marks}}}


def refuse_foreign(live: Object | None, stack: str) -> None:
    """Raises LocalError if there is such an object, and it is not this stack's."""
    if live is None:
        return
    owner = live["metadata"].get("labels", {}).get(STACK_LABEL)
    if owner != stack:
        whose = f"stack {owner!r} made it" if owner else "this engine did not make it"
        raise LocalError(f"{describe(live)} exists and {whose}: delete it, or deploy to another namespace")


def owned(clusters: Iterable[Kube], stack: str) -> list[tuple[Kube, Object]]:
    """All objects of the stack but what is to be retained, each before those that it depends on."""
    found = [
        (kube, item)
        for kube in clusters
        for item in kube.labelled(f"{STACK_LABEL}={stack}")
        # Controllers copy labels to what they make (a Service's to its Endpoints): those are theirs to delete.
        if any(entry["manager"] == FIELD_MANAGER for entry in item["metadata"].get("managedFields", []))
        and RETAINED_LABEL not in item["metadata"]["labels"]
    ]
    return sorted(found, key=lambda pair: _order(pair[1]), reverse=True)


def _order(item: Object) -> tuple[int, str]:
    """Sorts by what depends on what. (Objects of a version that did not note it tell at least when they were made.)"""
    metadata = item["metadata"]
    return int(metadata["labels"].get(DEPTH_LABEL, 0)), metadata["creationTimestamp"]
