"""Kubernetes objects over the API, whatever their kind: applied server-side, patched, read, listed and deleted."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kubernetes import config
from kubernetes.config.config_exception import ConfigException
from kubernetes.dynamic import DynamicClient, EagerDiscoverer, ResourceList
from kubernetes.dynamic.exceptions import (
    DynamicApiError,
    ForbiddenError,
    MethodNotAllowedError,
    NotFoundError,
    ResourceNotFoundError,
    ServiceUnavailableError,
)

from local import port_forward
from local.errors import LocalError
from local.port_forward import Forward

Object = dict[str, Any]

ANSWER_TIMEOUT = 5.0
DELETE_TIMEOUT = 180.0
POLL_INTERVAL = 0.3


def describe(item: Object) -> str:
    """The kind and the full name of an object, as messages show it."""
    metadata = item["metadata"]
    namespace = metadata.get("namespace")
    return f"{item['kind']} {namespace}/{metadata['name']}" if namespace else f"{item['kind']} {metadata['name']}"


def is_ready(item: Object) -> bool:
    """Whether a node or a pod says that it is ready."""
    conditions = item.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


class Kube:
    """A cluster, reached through one context of a kubeconfig (None: KUBECONFIG or ~/.kube/config)."""

    def __init__(self, context: str, kubeconfig: Path | None = None) -> None:
        """Raises LocalError when there is no such context or its API server does not answer."""
        try:
            client = config.new_client_from_config(config_file=str(kubeconfig) if kubeconfig else None, context=context)
        except ConfigException as error:
            where = kubeconfig or "KUBECONFIG or ~/.kube/config"
            raise LocalError(f"context {context!r} can't be used from {where}: {error}") from error
        # Which kinds there are is asked anew: the client's cache file could tell of another cluster at this address.
        with tempfile.TemporaryDirectory() as fresh:
            try:
                # Asked before all that knows no time limit.
                version = client.param_serialize("GET", "/version", auth_settings=["BearerToken"])
                client.call_api(*version, _request_timeout=ANSWER_TIMEOUT)
                self._client = DynamicClient(client, str(Path(fresh, "kinds.json")), EagerDiscoverer)
            except Exception as error:
                host = client.configuration.host
                raise LocalError(f"context {context!r}: the API server {host} does not answer: {error}") from error

    def get(self, wanted: Object) -> Object | None:
        """The live object of the same kind and name, or None. Raises LocalError if the API server refuses to tell."""
        metadata = wanted["metadata"]
        try:
            found = self._kind(wanted).get(name=metadata["name"], namespace=metadata.get("namespace"))
        except NotFoundError:
            return None
        except DynamicApiError as error:
            raise LocalError(f"{describe(wanted)}: {_reason(error)}") from error
        return found.to_dict()  # type: ignore[no-any-return]

    def apply(self, wanted: Object, manager: str, *, dry_run: bool = False) -> Object:
        """Make the live object have the wanted fields; other managers' fields stay. Returns the live object.

        In a dry run nothing is changed, and what is returned is what the live object would be. Raises LocalError with
        the API server's reason if it refuses.
        """
        metadata = wanted["metadata"]
        try:
            live = self._client.server_side_apply(
                self._kind(wanted),
                body=wanted,
                name=metadata["name"],
                namespace=metadata.get("namespace"),
                field_manager=manager,
                force_conflicts=True,
                dry_run="All" if dry_run else None,
            )
        except DynamicApiError as error:
            raise LocalError(f"{describe(wanted)}: {_reason(error)}") from error
        return live.to_dict()  # type: ignore[no-any-return]

    def patch(self, item: Object, changes: Object, manager: str) -> None:
        """Change the live object's fields that are named; None removes one (a JSON merge patch, RFC 7386).

        Raises LocalError with the API server's reason if it refuses, as it does when the changes name a
        `resourceVersion` and somebody changed the object since.
        """
        metadata = item["metadata"]
        try:
            self._kind(item).patch(
                name=metadata["name"],
                namespace=metadata.get("namespace"),
                body=changes,
                content_type="application/merge-patch+json",
                field_manager=manager,
            )
        except DynamicApiError as error:
            raise LocalError(f"{describe(item)}: {_reason(error)}") from error

    def forward(self, namespace: str, pod: str, port: int) -> Forward:
        """A connection to a pod's port. Raises LocalError if the API server can't make one."""
        return port_forward.connect(self._client.client, namespace, pod, port)

    def labelled(self, selector: str) -> Iterator[Object]:
        """All objects of all kinds and namespaces that the label selector picks."""
        return self._all_of(self._listable_kinds(), label_selector=selector)

    def inside(self, namespace: str) -> Iterator[Object]:
        """All objects of all kinds in a namespace."""
        return self._all_of((kind for kind in self._listable_kinds() if kind.namespaced), namespace=namespace)

    def list(self, api_version: str, kind: str, namespace: str | None = None, selector: str = "") -> list[Object]:
        """The objects of one kind. Raises LocalError if the API server refuses to tell."""
        found = self._client.resources.get(api_version=api_version, kind=kind)
        try:
            items: list[Object] = found.get(namespace=namespace, label_selector=selector).to_dict()["items"]
        except DynamicApiError as error:
            raise LocalError(f"{kind}: can't be listed: {_reason(error)}") from error
        return items

    def delete(self, item: Object) -> None:
        """Delete the object, if it is there still, and all that it owns before it."""
        metadata = item["metadata"]
        options = {"propagationPolicy": "Foreground"}
        try:
            self._kind(item).delete(name=metadata["name"], namespace=metadata.get("namespace"), body=options)
        except NotFoundError:
            return
        except DynamicApiError as error:
            raise LocalError(f"{describe(item)}: {_reason(error)}") from error

    def _all_of(self, kinds: Iterator[Any], **which: str) -> Iterator[Object]:
        for kind in kinds:
            try:
                found = kind.get(**which).to_dict()
            except (NotFoundError, MethodNotAllowedError, ForbiddenError, ServiceUnavailableError):
                continue  # a kind that can't be listed, or whose own API server is away, holds nothing of ours
            except DynamicApiError as error:
                raise LocalError(f"{kind.kind}: can't be listed: {_reason(error)}") from error
            for item in found["items"]:
                yield {"apiVersion": kind.group_version, "kind": kind.kind, **item}

    def _kind(self, item: Object) -> Any:  # noqa: ANN401 - the dynamic client has no types
        try:
            kind = self._client.resources.get(api_version=item["apiVersion"], kind=item["kind"])
        except ResourceNotFoundError as error:
            raise LocalError(
                f"{describe(item)}: the cluster has no kind {item['apiVersion']} {item['kind']}"
            ) from error
        if kind.namespaced and not item["metadata"].get("namespace"):
            raise LocalError(f"{describe(item)}: it names no namespace")
        return kind

    def _listable_kinds(self) -> Iterator[Any]:
        for found in self._client.resources.search():
            if isinstance(found, ResourceList):
                continue
            if found.preferred and "list" in (found.verbs or ()) and "delete" in found.verbs and found.kind != "Event":
                yield found


def delete_and_wait(kube: Kube, item: Object) -> None:
    """Delete the object and wait until it is gone. Raises LocalError if it stays."""
    deadline = time.monotonic() + DELETE_TIMEOUT
    kube.delete(item)
    while kube.get(item) is not None:
        if time.monotonic() > deadline:
            raise LocalError(f"{describe(item)}: still there {DELETE_TIMEOUT:.0f} s after it was deleted")
        time.sleep(POLL_INTERVAL)


def _reason(error: DynamicApiError) -> str:
    try:
        return str(error.summary())
    except Exception:  # the body is not always a Status object
        return str(error)
