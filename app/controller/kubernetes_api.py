"""The API server, by the client of the Kubernetes project."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kubernetes import client, config
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from controller.actions import DeleteClaim, DeletePod, ScalePods
from controller.facts import Claim, Scale
from controller.record import Record, from_data, to_data
from controller.surroundings import Objects, UnavailableError, Written

_RECORD = "etcd-cluster"
_CONFIG = "etcd-config"
_WORKLOAD = "etcd"
_CONTAINER = "etcd"

# Seconds for connecting, and for the answer.
_TIMEOUT = (1.0, 3.0)

# Ends of etcd that nobody asked for, in Kubernetes' words. One that was removed from the cluster completes.
_FAULTS = ("OOMKilled", "Error")

_GONE = 404
_CONFLICT = 409


class KubernetesApi:
    """See `surroundings.Kubernetes`. For use by one thread."""

    def __init__(self, namespace: str) -> None:
        """Raises UnavailableError outside of a pod that has an account."""
        try:
            config.load_incluster_config()
        except config.ConfigException as error:
            raise UnavailableError(f"the pod has no account for Kubernetes: {error}") from error
        self._namespace = namespace
        self._core = client.CoreV1Api()
        self._apps = client.AppsV1Api()
        self._record: Any = None

    def wanted(self) -> int:
        with _errors("the ConfigMap etcd-config"):
            found: Any = self._core.read_namespaced_config_map(_CONFIG, self._namespace, _request_timeout=_TIMEOUT)
        try:
            return int((found.data or {})["members"])
        except (KeyError, ValueError) as error:
            raise UnavailableError(
                f"the ConfigMap {_CONFIG} does not say how many members there are: {error}"
            ) from None

    def read(self) -> Written:
        with _errors("the record"):
            found: Any = self._core.read_namespaced_config_map(_RECORD, self._namespace, _request_timeout=_TIMEOUT)
        self._record = found
        return Written(from_data(found.data or {}), found.metadata.resource_version)

    def write(self, record: Record, version: str) -> bool:
        found = self._record
        if found is None or found.metadata.resource_version != version:
            return False
        found.data = to_data(record)
        try:
            with _errors("the record"):
                self._core.replace_namespaced_config_map(_RECORD, self._namespace, found, _request_timeout=_TIMEOUT)
        except _ConflictError:
            return False
        return True

    def look(self, members: range) -> Objects:
        with _errors("Kubernetes"):
            workload: Any = self._apps.read_namespaced_stateful_set(
                _WORKLOAD, self._namespace, _request_timeout=_TIMEOUT
            )
            pods = {member: pod for member in members if (pod := self._pod(member)) is not None}
            claims = {member: claim for member in members if (claim := self._claim(member)) is not None}
        status = workload.status
        return Objects(
            pods={member: pod.metadata.uid for member, pod in pods.items()},
            claims=claims,
            scale=Scale(workload.spec.replicas, workload.metadata.resource_version),
            rolling=status.update_revision != status.current_revision,
            ended={member: ended for member, pod in pods.items() if (ended := _ended(pod))},
        )

    def act(self, action: DeletePod | DeleteClaim | ScalePods) -> None:
        try:
            with _errors("Kubernetes"):
                self._act(action)
        except (_GoneError, _ConflictError):
            return  # what it was for is not there any more

    def _act(self, action: DeletePod | DeleteClaim | ScalePods) -> None:
        match action:
            case DeletePod():
                options = _only(action.pod)
                if action.force:
                    options.grace_period_seconds = 0
                self._core.delete_namespaced_pod(
                    f"{_WORKLOAD}-{action.member}", self._namespace, body=options, _request_timeout=_TIMEOUT
                )
            case DeleteClaim():
                self._core.delete_namespaced_persistent_volume_claim(
                    _claim_name(action.member), self._namespace, body=_only(action.uid), _request_timeout=_TIMEOUT
                )
            case ScalePods():
                scale = {"metadata": {"resourceVersion": action.version}, "spec": {"replicas": action.replicas}}
                self._apps.patch_namespaced_stateful_set_scale(
                    _WORKLOAD, self._namespace, scale, _request_timeout=_TIMEOUT
                )

    def _pod(self, member: int) -> Any:  # noqa: ANN401  # the client has no types
        try:
            with _errors("Kubernetes"):
                return self._core.read_namespaced_pod(
                    f"{_WORKLOAD}-{member}", self._namespace, _request_timeout=_TIMEOUT
                )
        except _GoneError:
            return None

    def _claim(self, member: int) -> Claim | None:
        try:
            with _errors("Kubernetes"):
                found: Any = self._core.read_namespaced_persistent_volume_claim(
                    _claim_name(member), self._namespace, _request_timeout=_TIMEOUT
                )
        except _GoneError:
            return None
        metadata = found.metadata
        return Claim(metadata.uid, bool(found.spec.volume_name), metadata.deletion_timestamp is not None)


class _GoneError(UnavailableError):
    """There is nothing of that name."""


class _ConflictError(UnavailableError):
    """It is another one, or another version of it."""


@contextmanager
def _errors(what: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        kinds: Mapping[int, type[UnavailableError]] = {_GONE: _GoneError, _CONFLICT: _ConflictError}
        kind = kinds.get(error.status, UnavailableError)
        raise kind(f"{what}: {error.status} {error.reason}") from error
    except (HTTPError, OSError) as error:
        raise UnavailableError(f"{what}: no answer: {error}") from error


def _only(uid: str) -> Any:  # noqa: ANN401  # the client has no types
    """What is deleted is this one, and no other of its name."""
    return client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=uid))


def _claim_name(member: int) -> str:
    return f"data-{_WORKLOAD}-{member}"


def _ended(pod: Any) -> str:  # noqa: ANN401  # the client has no types
    for status in pod.status.container_statuses or []:
        ended = status.last_state.terminated if status.last_state is not None else None
        if status.name == _CONTAINER and ended is not None and ended.reason in _FAULTS:
            return str(ended.reason)
    return ""
