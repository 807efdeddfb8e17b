"""What is asked of the API server, by a client that asks nobody."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client import ApiException
from urllib3.exceptions import MaxRetryError

from controller import kubernetes_api
from controller.actions import DeleteClaim, DeletePod, ScalePods
from controller.facts import Claim, Scale
from controller.kubernetes_api import KubernetesApi
from controller.record import Record, RecordError, from_data, to_data
from controller.surroundings import UnavailableError
from tests.app.controller.cases import counting

RECORD = Record(counting(), controller="me")
GONE = ApiException(status=404, reason="Not Found")
CONFLICT = ApiException(status=409, reason="Conflict")
NO_ANSWER = MaxRetryError(None, "/api", OSError("refused"))  # type: ignore[arg-type]  # as the client raises it

Thing = SimpleNamespace


@dataclass
class Calls:
    """Answers by the client's method and the object's name: what is given, or raised. All else is not found.

    `made` are the calls that change something: method, name, and what was sent.
    """

    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    made: list[tuple[str, str, Any]] = field(default_factory=list)

    def method(self, name: str) -> Callable[..., Any]:
        def call(
            _client: object,
            thing: str,
            namespace: str,
            body: Any = None,  # noqa: ANN401  # as the client has it
            *,
            _request_timeout: object,
        ) -> Any:  # noqa: ANN401
            assert namespace == "members"
            assert _request_timeout is not None, "a call may hang for ever"
            if not name.startswith("read_"):
                self.made.append((name, thing, body))
            answer = self.answers.get((name, thing), GONE if name.startswith("read_") else None)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


READ_MAP = "read_namespaced_config_map"
REPLACE_MAP = "replace_namespaced_config_map"
READ_POD = "read_namespaced_pod"
DELETE_POD = "delete_namespaced_pod"
READ_CLAIM = "read_namespaced_persistent_volume_claim"
DELETE_CLAIM = "delete_namespaced_persistent_volume_claim"
READ_SET = "read_namespaced_stateful_set"
SCALE = "patch_namespaced_stateful_set_scale"

RECORD_MAP = "etcd-cluster"
CONFIG_MAP = "etcd-config"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    calls = Calls()
    for name in (READ_MAP, REPLACE_MAP, READ_POD, DELETE_POD, READ_CLAIM, DELETE_CLAIM):
        monkeypatch.setattr(client.CoreV1Api, name, calls.method(name))
    for name in (READ_SET, SCALE):
        monkeypatch.setattr(client.AppsV1Api, name, calls.method(name))
    return calls


@pytest.fixture
def api(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> KubernetesApi:
    calls.answers[READ_MAP, RECORD_MAP] = config_map(to_data(RECORD))
    calls.answers[READ_SET, "etcd"] = stateful_set()
    monkeypatch.setattr(config, "load_incluster_config", lambda: None)
    return KubernetesApi("members")


def config_map(data: dict[str, str] | None, version: str = "17") -> Thing:
    return Thing(data=data, metadata=Thing(resource_version=version, name=RECORD_MAP))


def stateful_set(replicas: int = 3, current: str = "a", update: str = "a") -> Thing:
    status = Thing(current_revision=current, update_revision=update)
    return Thing(spec=Thing(replicas=replicas), metadata=Thing(resource_version="7"), status=status)


def pod(uid: str, *statuses: Thing) -> Thing:
    return Thing(metadata=Thing(uid=uid), status=Thing(container_statuses=list(statuses) or None))


def ended(container: str, reason: str | None) -> Thing:
    terminated = None if reason is None else Thing(reason=reason)
    return Thing(name=container, last_state=Thing(terminated=terminated))


def claim(uid: str, volume: str | None = "pv-1", deleted: str | None = None) -> Thing:
    return Thing(metadata=Thing(uid=uid, deletion_timestamp=deleted), spec=Thing(volume_name=volume))


# The record.


def test_the_record_is_read_with_its_version(api: KubernetesApi) -> None:
    written = api.read()
    assert (written.record, written.version) == (RECORD, "17")


@pytest.mark.parametrize("data", [None, {}, {"epoch": "11", "token": "abc"}])
def test_a_record_without_a_cluster_is_empty(api: KubernetesApi, calls: Calls, data: dict[str, str] | None) -> None:
    calls.answers[READ_MAP, RECORD_MAP] = config_map(data)
    assert api.read().record == Record()


def test_a_record_that_cant_be_read_is_not_taken_for_an_empty_one(api: KubernetesApi, calls: Calls) -> None:
    calls.answers[READ_MAP, RECORD_MAP] = config_map({"cluster": "{"})
    with pytest.raises(RecordError):
        api.read()


def test_it_is_written_over_the_version_that_was_read(api: KubernetesApi, calls: Calls) -> None:
    api.read()
    later = replace(RECORD, controller="another")
    assert api.write(later, "17")
    [(method, name, body)] = calls.made
    assert (method, name) == (REPLACE_MAP, RECORD_MAP)
    assert from_data(body.data) == later
    # By this the API server refuses what would undo somebody else's change.
    assert body.metadata.resource_version == "17"


def test_another_version_than_that_is_not_even_tried(api: KubernetesApi, calls: Calls) -> None:
    assert not api.write(RECORD, "17")
    api.read()
    assert not api.write(RECORD, "16")
    assert calls.made == []


def test_a_conflict_means_that_it_was_not_written(api: KubernetesApi, calls: Calls) -> None:
    api.read()
    calls.answers[REPLACE_MAP, RECORD_MAP] = CONFLICT
    assert not api.write(RECORD, "17")


@pytest.mark.parametrize("fault", [NO_ANSWER, OSError("timed out"), ApiException(status=500, reason="no"), GONE])
def test_whether_it_was_written_is_not_known(api: KubernetesApi, calls: Calls, fault: Exception) -> None:
    api.read()
    calls.answers[REPLACE_MAP, RECORD_MAP] = fault
    with pytest.raises(UnavailableError, match="the record: "):
        api.write(RECORD, "17")


# What there is.


def test_how_many_members_there_are_to_be(api: KubernetesApi, calls: Calls) -> None:
    calls.answers[READ_MAP, CONFIG_MAP] = config_map({"members": "5"})
    assert api.wanted() == 5


@pytest.mark.parametrize("data", [None, {}, {"members": "many"}])
def test_nobody_says_how_many(api: KubernetesApi, calls: Calls, data: dict[str, str] | None) -> None:
    calls.answers[READ_MAP, CONFIG_MAP] = config_map(data)
    with pytest.raises(UnavailableError, match="does not say how many"):
        api.wanted()


def test_pods_and_claims_are_found_by_name_and_those_that_are_not_there_are_none(
    api: KubernetesApi, calls: Calls
) -> None:
    calls.answers |= {
        (READ_POD, "etcd-0"): pod("pod-0"),
        (READ_POD, "etcd-2"): pod("pod-2"),
        (READ_CLAIM, "data-etcd-0"): claim("claim-0"),
        (READ_CLAIM, "data-etcd-1"): claim("claim-1", volume=None),
        (READ_CLAIM, "data-etcd-2"): claim("claim-2", deleted="now"),
    }
    found = api.look(range(4))
    assert found.pods == {0: "pod-0", 2: "pod-2"}
    assert found.claims == {
        0: Claim("claim-0"),
        1: Claim("claim-1", bound=False),
        2: Claim("claim-2", leaving=True),
    }
    assert (found.scale, found.rolling) == (Scale(3, "7"), False)


def test_pods_that_are_being_made_anew_are_seen(api: KubernetesApi, calls: Calls) -> None:
    calls.answers[READ_SET, "etcd"] = stateful_set(current="a", update="b")
    assert api.look(range(0)).rolling


def test_how_etcd_ended_is_what_kubernetes_says_of_its_container(api: KubernetesApi, calls: Calls) -> None:
    calls.answers |= {
        (READ_POD, "etcd-0"): pod("pod-0", ended("sidecar", "Error"), ended("etcd", "OOMKilled")),
        (READ_POD, "etcd-1"): pod("pod-1", ended("sidecar", "Error"), ended("etcd", None)),
        (READ_POD, "etcd-2"): pod("pod-2", Thing(name="etcd", last_state=None)),
        (READ_POD, "etcd-3"): pod("pod-3", ended("etcd", "Error")),
        # As one does that was removed from the cluster.
        (READ_POD, "etcd-4"): pod("pod-4", ended("etcd", "Completed")),
    }
    assert api.look(range(5)).ended == {0: "OOMKilled", 3: "Error"}


@pytest.mark.parametrize(
    "fault", [NO_ANSWER, OSError("timed out"), ApiException(status=403, reason="Forbidden"), CONFLICT]
)
def test_a_pod_that_is_not_told_of_is_not_taken_for_gone(api: KubernetesApi, calls: Calls, fault: Exception) -> None:
    calls.answers[READ_POD, "etcd-1"] = fault
    with pytest.raises(UnavailableError, match="Kubernetes: "):
        api.look(range(3))


def test_without_a_statefulset_nothing_is_known(api: KubernetesApi, calls: Calls) -> None:
    calls.answers[READ_SET, "etcd"] = GONE
    with pytest.raises(UnavailableError):
        api.look(range(3))


# What is changed.


@pytest.mark.parametrize(("force", "grace"), [(False, None), (True, 0)])
def test_a_pod_is_deleted_and_no_other_of_its_name(
    api: KubernetesApi, calls: Calls, force: bool, grace: object
) -> None:
    api.act(DeletePod(1, "pod-1", force=force))
    [(method, name, body)] = calls.made
    assert (method, name) == (DELETE_POD, "etcd-1")
    assert (body.preconditions.uid, body.grace_period_seconds) == ("pod-1", grace)


def test_a_claim_is_deleted_and_no_other_of_its_name(api: KubernetesApi, calls: Calls) -> None:
    api.act(DeleteClaim(1, "claim-1"))
    [(method, name, body)] = calls.made
    assert (method, name, body.preconditions.uid) == (DELETE_CLAIM, "data-etcd-1", "claim-1")


def test_pods_are_scaled_unless_somebody_else_did_it_meanwhile(api: KubernetesApi, calls: Calls) -> None:
    api.act(ScalePods(5, "7"))
    assert calls.made == [(SCALE, "etcd", {"metadata": {"resourceVersion": "7"}, "spec": {"replicas": 5}})]


@pytest.mark.parametrize("fault", [GONE, CONFLICT])
@pytest.mark.parametrize(
    ("action", "call"),
    [
        (DeletePod(1, "pod-1"), (DELETE_POD, "etcd-1")),
        (DeleteClaim(1, "claim-1"), (DELETE_CLAIM, "data-etcd-1")),
        (ScalePods(5, "7"), (SCALE, "etcd")),
    ],
)
def test_what_is_not_there_any_more_needs_nothing(
    api: KubernetesApi,
    calls: Calls,
    action: DeletePod | DeleteClaim | ScalePods,
    call: tuple[str, str],
    fault: Exception,
) -> None:
    calls.answers[call] = fault
    api.act(action)
    assert len(calls.made) == 1


def test_what_was_not_done_is_told(api: KubernetesApi, calls: Calls) -> None:
    calls.answers[DELETE_POD, "etcd-1"] = ApiException(status=403, reason="Forbidden")
    with pytest.raises(UnavailableError, match="403 Forbidden"):
        api.act(DeletePod(1, "pod-1"))


def test_outside_of_a_pod_there_is_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(UnavailableError, match="no account"):
        kubernetes_api.KubernetesApi("members")
