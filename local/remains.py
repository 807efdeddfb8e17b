"""What outlives a deployment in its cluster: the namespace, and the volumes of etcd's members."""

import re

from local.kube import Kube, Object, describe

# Both engines write under names that begin like this: local/deploy.py, and the CLI as infra/ has it.
OUR_WRITERS = "ha-counter"

MEMBER_VOLUME = re.compile(r"data-etcd-\d+")

IN_EVERY_NAMESPACE = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}


def namespace_object(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def stateful_set(namespace: str) -> Object:
    """The members of etcd."""
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"namespace": namespace, "name": "etcd"}}


def volumes(kube: Kube, namespace: str) -> list[Object]:
    """The members' claims to their volumes, in the order of the members, whether or not their stack is there."""
    claims = kube.list("v1", "PersistentVolumeClaim", namespace, "app.kubernetes.io/name=etcd")
    return sorted((claim for claim in claims if MEMBER_VOLUME.fullmatch(claim["metadata"]["name"])), key=_member)


def members(left: list[Object]) -> int:
    """How many members it takes to leave these volumes. It is an odd number: of an even one the last is lost."""
    return (_member(left[-1]) + 1) | 1


def other_writers(kube: Kube, namespace: str) -> list[str]:
    """Who else made the namespace, or wrote to it, as the API server names them. Nobody if there is no namespace.

    It does not tell who of them made it: they all have a say in whether it goes.
    """
    live = kube.get(namespace_object(namespace))
    if live is None:
        return []
    # Who writes to a part like the status, does so to every namespace: controllers.
    entries = live["metadata"].get("managedFields", [])
    writers = {entry["manager"] for entry in entries if not entry.get("subresource")}
    others = sorted(writer for writer in writers if not writer.startswith(OUR_WRITERS))
    return others if writers else ["somebody unknown"]


def other_objects(kube: Kube, namespace: str) -> list[str]:
    """What is in the namespace that is neither the deployment's nor in every namespace."""
    ours = {describe(claim) for claim in volumes(kube, namespace)}
    return sorted(
        describe(item)
        for item in kube.inside(namespace)
        if describe(item) not in ours
        and item["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") != "ha-counter"
        and "ownerReferences" not in item["metadata"]  # made for another object, and goes with that
        and (item["kind"], item["metadata"]["name"]) not in IN_EVERY_NAMESPACE
    )


def _member(claim: Object) -> int:
    return int(claim["metadata"]["name"].rpartition("-")[2])
