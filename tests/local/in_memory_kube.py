"""The part of a Kubernetes cluster that the engine uses, in memory."""

import copy
import itertools
import socket
import threading
from collections.abc import Iterator
from typing import Any

from local.errors import LocalError
from local.kube import Kube, Object, describe
from local.port_forward import Forward

CLUSTER_WIDE = ("Namespace", "Node", "ClusterRole", "ClusterRoleBinding", "StorageClass", "PersistentVolume")
WORKLOADS = ("Deployment", "StatefulSet")

Key = tuple[str, str, str, str]


def claim(name: str, *, namespace: str = "ha-counter", of: str = "etcd", size: str = "1Gi") -> Object:
    """The claim that Kubernetes makes for a volume of a StatefulSet's pod."""
    metadata = {"namespace": namespace, "name": name, "labels": {"app.kubernetes.io/name": of}}
    spec = {"storageClassName": "standard", "resources": {"requests": {"storage": size}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


class InMemoryKube(Kube):
    """Objects as an API server keeps them. Workloads are ready as soon as they are made.

    An apply adds and changes fields. Unlike a server's it does not take away those that are no longer applied.
    """

    def __init__(self) -> None:
        self.applied: list[str] = []  # what was asked for, in this order
        self.patched: list[tuple[str, Object, str]] = []  # object, changes, who made them
        self.deleted: list[str] = []
        self.refuses: dict[str, str] = {}  # an object -> why the server will not have it
        self.cuts_off_after = ""  # an object, whose maker gets no answer once it is there
        self.never_goes: set[str] = set()  # objects that a finalizer holds on to
        self.seconds_between_creations = 1
        self.controllers_write_meanwhile = False  # to every object, before an apply comes
        self.ports: dict[tuple[str, str, int], int] = {}  # of pods in namespaces -> of this machine
        self._objects: dict[Key, Object] = {}
        self._versions = itertools.count(1)
        self._seconds = 0
        self._lock = threading.RLock()

    def get(self, wanted: Object) -> Object | None:
        with self._lock:
            return copy.deepcopy(self._objects.get(_key(wanted)))

    def apply(self, wanted: Object, manager: str, *, dry_run: bool = False) -> Object:
        with self._lock:
            if not dry_run:
                self.applied.append(describe(wanted))
            self._admit(wanted)
            before = self._objects.get(_key(wanted))
            if before and self.controllers_write_meanwhile and not dry_run:
                self._store(before)
            live: Object = _merged(before or self._born(wanted), wanted)
            if live == before or dry_run:
                return copy.deepcopy(live)
            managers = live["metadata"].setdefault("managedFields", [])
            if manager not in [entry["manager"] for entry in managers]:
                managers.append({"manager": manager, "operation": "Apply"})
            self._store(live)
            if describe(wanted) == self.cuts_off_after:
                raise ConnectionError("cut off")
            return copy.deepcopy(live)

    def patch(self, item: Object, changes: Object, manager: str) -> None:
        with self._lock:
            self.patched.append((describe(item), changes, manager))
            live = self._objects.get(_key(item))
            if live is None:
                raise LocalError(f"{describe(item)}: not found")
            expected = changes.get("metadata", {}).get("resourceVersion")
            if expected not in (None, live["metadata"].get("resourceVersion")):
                raise LocalError(f"{describe(item)}: Conflict")
            self._store(_patched(live, changes))

    def forward(self, namespace: str, pod: str, port: int) -> Forward:
        if (namespace, pod, port) not in self.ports:
            raise LocalError(f"Pod {namespace}/{pod}: port {port} can't be reached")
        connection = socket.create_connection(("127.0.0.1", self.ports[namespace, pod, port]))
        return Forward(connection, lambda: None)

    def labelled(self, selector: str) -> Iterator[Object]:
        with self._lock:
            return iter([copy.deepcopy(item) for item in self._objects.values() if _selects(selector, item)])

    def inside(self, namespace: str) -> Iterator[Object]:
        return iter([item for item in self.objects() if item["metadata"].get("namespace") == namespace])

    def delete(self, item: Object) -> None:
        with self._lock:
            self.deleted.append(describe(item))
            if describe(item) not in self.never_goes:
                self._objects.pop(_key(item), None)

    def put(self, item: Object) -> None:
        """Have an object as it is given, whoever made it."""
        with self._lock:
            metadata = {**self._born(item)["metadata"], **item["metadata"]}
            self._objects[_key(item)] = copy.deepcopy({**item, "metadata": metadata})

    def find(self, kind: str, name: str) -> Object:
        """The one object of a kind and name."""
        [found] = [item for item in self.objects() if (item["kind"], item["metadata"]["name"]) == (kind, name)]
        return found

    def objects(self) -> list[Object]:
        """All objects, in the order in which they were made."""
        with self._lock:
            return copy.deepcopy([*self._objects.values()])

    def names(self, kind: str) -> list[str]:
        """The names of all objects of a kind."""
        return [item["metadata"]["name"] for item in self.objects() if item["kind"] == kind]

    def list(self, api_version: str, kind: str, namespace: str | None = None, selector: str = "") -> list[Object]:
        with self._lock:
            return [
                copy.deepcopy(item)
                for item in self._objects.values()
                if (item["apiVersion"], item["kind"]) == (api_version, kind)
                and namespace in (None, item["metadata"].get("namespace"))
                and _selects(selector, item)
            ]

    def _admit(self, wanted: Object) -> None:
        namespace = wanted["metadata"].get("namespace")
        if reason := self.refuses.get(describe(wanted)):
            raise LocalError(f"{describe(wanted)}: {reason}")
        if wanted["kind"] not in CLUSTER_WIDE and not namespace:
            raise LocalError(f"{describe(wanted)}: it names no namespace")
        if namespace and ("", "Namespace", "", namespace) not in self._objects:
            raise LocalError(f'{describe(wanted)}: namespaces "{namespace}" not found')

    def _born(self, wanted: Object) -> Object:
        """What a server adds to an object that it is asked to make."""
        second = self._seconds
        self._seconds += self.seconds_between_creations
        born: Object = {
            "metadata": {
                "creationTimestamp": f"2000-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
            }
        }
        if wanted["kind"] == "Service":
            ports = wanted["spec"].get("ports", [])
            born["spec"] = {"clusterIP": "10.0.0.10", "ports": [{"protocol": "TCP", **port} for port in ports]}
        if wanted["kind"] in WORKLOADS:
            born["spec"] = {"replicas": 1}
        return born

    def _store(self, live: Object) -> None:
        metadata = live["metadata"]
        metadata["resourceVersion"] = str(next(self._versions))
        if live["kind"] in WORKLOADS:
            metadata["generation"] = metadata.get("generation", 0) + 1
            replicas = live["spec"]["replicas"]
            live["status"] = {
                "observedGeneration": metadata["generation"],
                "replicas": replicas,
                "updatedReplicas": replicas,
                "readyReplicas": replicas,
            }
        self._objects[_key(live)] = live


def _key(item: Object) -> Key:
    metadata = item["metadata"]
    return item["apiVersion"].rpartition("/")[0], item["kind"], metadata.get("namespace") or "", metadata["name"]


def _selects(selector: str, item: Object) -> bool:
    labels = item["metadata"].get("labels", {})
    return all(
        labels.get(key) == value for key, _, value in (part.partition("=") for part in selector.split(",") if part)
    )


def _patched(below: Any, changes: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON merge patch."""
    if not isinstance(changes, dict):
        return copy.deepcopy(changes)
    kept = copy.deepcopy(below) if isinstance(below, dict) else {}
    merged = {**kept, **{key: _patched(kept.get(key), value) for key, value in changes.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def _merged(below: Any, above: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The one value laid over the other; lists of the same length item by item."""
    if isinstance(below, dict) and isinstance(above, dict):
        return {**copy.deepcopy(below), **{key: _merged(below.get(key), value) for key, value in above.items()}}
    if isinstance(below, list) and isinstance(above, list) and len(below) == len(above):
        return [_merged(mine, theirs) for mine, theirs in zip(below, above, strict=True)]
    return copy.deepcopy(above)
