"""What outlives a deployment in its cluster: two namespaces, with volumes in them, and the record of etcd's epochs."""

import re

from local.kube import Kube, Object, describe

# Both engines write under names that begin like this: local/deploy.py, and the CLI as infra/ has it.
OUR_WRITERS = "ha-counter"

MEMBER_VOLUME = re.compile(r"data-etcd-\d+")
SNAPSHOTS_VOLUME = "data-nfs-0"
RECORD = "etcd-cluster"

IN_EVERY_NAMESPACE = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}


def namespace_object(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def nfs_namespace(namespace: str) -> str:
    """The namespace of the NFS server that belongs to a deployment in this one."""
    return f"{namespace}-nfs"


def stateful_set(namespace: str, name: str = "etcd") -> Object:
    """The members of etcd, or the NFS server."""
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"namespace": namespace, "name": name}}


def namespaces(kube: Kube, namespace: str) -> list[str]:
    """Both of a deployment, in the order in which they are to go. The second only if a deployment ever wrote to it."""
    second = nfs_namespace(namespace)
    return [namespace, *([second] if any(map(_is_ours, _writers(kube, second))) else [])]


def volumes(kube: Kube, namespace: str) -> list[Object]:
    """The members' claims to their volumes, in the order of the members, whether or not their stack is there."""
    claims = kube.list("v1", "PersistentVolumeClaim", namespace, "app.kubernetes.io/name=etcd")
    return sorted((claim for claim in claims if MEMBER_VOLUME.fullmatch(claim["metadata"]["name"])), key=_member)


def members(left: list[Object]) -> int:
    """How many members it takes to leave these volumes. It is an odd number: of an even one the last is lost."""
    return (_member(left[-1]) + 1) | 1


def snapshots_volumes(kube: Kube, namespace: str) -> list[Object]:
    """The NFS server's claim to its volume, if there is one in the namespace."""
    claims = kube.list("v1", "PersistentVolumeClaim", namespace, "app.kubernetes.io/name=nfs")
    return [claim for claim in claims if claim["metadata"]["name"] == SNAPSHOTS_VOLUME]


def left_inside(kube: Kube, namespace: str) -> list[Object]:
    """What a deployment leaves in one of its namespaces, all of it to go together: the record tells of the volumes."""
    record = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": RECORD}}
    return [
        *volumes(kube, namespace),
        *snapshots_volumes(kube, namespace),
        *([record] if kube.get(record) else []),
    ]


def other_writers(kube: Kube, namespace: str) -> list[str]:
    """Who else made the namespace, or wrote to it, as the API server names them. Nobody if there is no namespace.

    It does not tell who of them made it: they all have a say in whether it goes.
    """
    if kube.get(namespace_object(namespace)) is None:
        return []
    writers = _writers(kube, namespace)
    return sorted(writer for writer in writers if not _is_ours(writer)) if writers else ["somebody unknown"]


def other_objects(kube: Kube, namespace: str) -> list[str]:
    """What is in the namespace that is neither the deployment's nor in every namespace."""
    ours = {describe(item) for item in left_inside(kube, namespace)}
    return sorted(
        describe(item)
        for item in kube.inside(namespace)
        if describe(item) not in ours
        and item["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") != "ha-counter"
        and "ownerReferences" not in item["metadata"]  # made for another object, and goes with that
        and (item["kind"], item["metadata"]["name"]) not in IN_EVERY_NAMESPACE
    )


def _writers(kube: Kube, namespace: str) -> set[str]:
    """Who wrote to the namespace, but for controllers, which write to a part of every namespace, like the status."""
    live = kube.get(namespace_object(namespace)) or namespace_object(namespace)
    entries = live["metadata"].get("managedFields", [])
    return {entry["manager"] for entry in entries if not entry.get("subresource")}


def _is_ours(writer: str) -> bool:
    return writer.startswith(OUR_WRITERS)


def _member(claim: Object) -> int:
    return int(claim["metadata"]["name"].rpartition("-")[2])
