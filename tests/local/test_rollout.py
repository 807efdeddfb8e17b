import copy
from collections.abc import Mapping
from typing import Any

import pytest

from local import rollout
from local.errors import LocalError
from local.kube import Object
from tests.local.in_memory_kube import InMemoryKube

ROLLED_OUT = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3}
NO_POD_READY = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3}
SCHEDULED = {"type": "PodScheduled", "status": "True"}


def workload(status: Mapping[str, object] = ROLLED_OUT, *, kind: str = "Deployment", wanted: int = 3) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"namespace": "app", "name": "web", "generation": 2},
        "spec": {
            "replicas": wanted,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": "web", "tier": "front"}},
        },
        "status": {**status},
    }


def progress(reason: str) -> list[Object]:
    return [{"type": "Available", "status": "True"}, {"type": "Progressing", "status": "Unknown", "reason": reason}]


GOES_ON = progress("ReplicaSetUpdated")
STUCK = progress("ProgressDeadlineExceeded")


def pod(status: Object, name: str = "web-1", **labels: str) -> Object:
    metadata = {"namespace": "app", "name": name, "labels": {"app": "web", "tier": "front", **labels}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


def waiting(reason: str, message: str) -> Object:
    container = {"name": "web", "ready": False, "state": {"waiting": {"reason": reason, "message": message}}}
    return {"conditions": [SCHEDULED], "containerStatuses": [container]}


RUNNING = {"name": "web", "ready": False, "state": {"running": {}}}
DONE = {"name": "init", "ready": True, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
READY = {"name": "web", "ready": True, "state": {"running": {}}}


@pytest.fixture
def kube() -> InMemoryKube:
    return InMemoryKube()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline has passed by the time that the cluster is looked at."""
    monkeypatch.setattr(rollout, "TIMEOUT", -1.0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "POLL_INTERVAL", 0.0)


def no_report(state: str) -> None:
    raise AssertionError(f"reported {state!r}")


def wait_for(kube: InMemoryKube, live: Object) -> None:
    kube.put(live)
    rollout.wait(kube, live, no_report)


def error_of(kube: InMemoryKube, live: Object) -> str:
    with pytest.raises(LocalError) as error:
        wait_for(kube, live)
    return str(error.value)


@pytest.mark.parametrize("kind", ["ConfigMap", "Service", "Namespace", "PodDisruptionBudget"])
def test_other_kinds_are_there_as_soon_as_they_exist(kube: InMemoryKube, kind: str) -> None:
    rollout.wait(kube, workload(kind=kind), no_report)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_workload_that_is_rolled_out_is_not_waited_for(kube: InMemoryKube, kind: str) -> None:
    wait_for(kube, workload(ROLLED_OUT, kind=kind))


def test_fields_of_status_may_be_missing_where_they_are_zero(kube: InMemoryKube) -> None:
    wait_for(kube, workload({"observedGeneration": 2}, wanted=0))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("change", "ready"),
    [
        pytest.param({"observedGeneration": 1}, 0, id="the controller has not seen the change"),
        pytest.param({"updatedReplicas": 1}, 1, id="two pods are of the old revision"),
        pytest.param({"updatedReplicas": 0}, 0, id="all pods are of the old revision"),
        pytest.param({"readyReplicas": 2}, 2, id="one pod is not ready"),
        pytest.param({"readyReplicas": 0}, 0, id="no pod is ready"),
        pytest.param({"replicas": 4}, 2, id="an old pod has not gone yet"),
        pytest.param({"replicas": 4, "readyReplicas": 4}, 3, id="an old pod has not gone yet and is still ready"),
        pytest.param({"replicas": 4, "updatedReplicas": 1}, 0, id="the first new pod is not ready"),
        pytest.param({"replicas": 4, "updatedReplicas": 1, "readyReplicas": 4}, 1, id="the first new pod is ready"),
        pytest.param({"replicas": 3, "updatedReplicas": 1, "readyReplicas": 0}, 0, id="neither old nor new are ready"),
        pytest.param({"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}, 1, id="two pods are not made yet"),
    ],
)
def test_what_is_not_rolled_out_is_waited_for(kube: InMemoryKube, change: dict[str, int], ready: int) -> None:
    error = error_of(kube, workload({**ROLLED_OUT, **change}))

    assert error.startswith(f"Deployment app/web: {ready} of 3 pods ready")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_workload_without_a_status_is_waited_for(kube: InMemoryKube, kind: str) -> None:
    live = workload(kind=kind)
    del live["status"]

    assert error_of(kube, live).startswith(f"{kind} app/web: 0 of 3 pods ready")


def test_it_is_waited_for_until_it_is_rolled_out(kube: InMemoryKube) -> None:
    before = workload({**ROLLED_OUT, "observedGeneration": 1})
    kube.put(before)
    later = iter([workload({**ROLLED_OUT, "readyReplicas": 2}), workload(ROLLED_OUT)])
    reports: list[str] = []

    def report(state: str) -> None:
        reports.append(state)
        kube.put(next(later))

    rollout.wait(kube, before, report)

    assert reports == ["0 of 3 pods ready", "2 of 3 pods ready"]


def test_a_workload_that_somebody_deletes_meanwhile_is_told(kube: InMemoryKube) -> None:
    with pytest.raises(LocalError, match="Deployment app/web: somebody deleted it"):
        rollout.wait(kube, workload(), no_report)


def test_the_deadline_is_told(kube: InMemoryKube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "TIMEOUT", 0.0)
    live = workload({**ROLLED_OUT, "readyReplicas": 1})
    kube.put(live)

    with pytest.raises(LocalError, match="Deployment app/web: 1 of 3 pods ready after 0 s"):
        rollout.wait(kube, live, lambda _state: None)


# A Deployment that makes no progress any more.


def changing(kube: InMemoryKube, *conditions: list[Object]) -> str:
    """The error of a rollout that has these conditions, one after the other."""
    states = iter([workload({**NO_POD_READY, "conditions": each}) for each in conditions])
    before = next(states)
    kube.put(before)
    with pytest.raises(LocalError) as error:
        rollout.wait(kube, before, lambda _: kube.put(next(states)))
    assert next(states, None) is None, "the end was not waited for"
    return str(error.value)


def test_it_is_not_waited_for(kube: InMemoryKube) -> None:
    kube.put(pod(waiting("ImagePullBackOff", "not found")))

    error = changing(kube, GOES_ON, GOES_ON, STUCK)

    assert error == "Deployment app/web: 0 of 3 pods ready after 0 s: web-1: ImagePullBackOff: not found"


def test_but_that_an_earlier_rollout_was_stuck_says_nothing_of_this_one(kube: InMemoryKube) -> None:
    assert changing(kube, STUCK, STUCK, GOES_ON, STUCK).endswith("after 0 s: no pod says why")


def test_but_it_gets_no_more_time_than_it_has_for_progress(kube: InMemoryKube) -> None:
    live = workload({**NO_POD_READY, "conditions": STUCK})
    live["spec"]["progressDeadlineSeconds"] = -1

    assert error_of(kube, live).endswith("after 0 s: no pod says why")


def test_one_that_was_stuck_and_gets_ready_after_all_is_well(kube: InMemoryKube) -> None:
    before = workload({**NO_POD_READY, "conditions": STUCK})
    kube.put(before)

    rollout.wait(kube, before, lambda _: kube.put(workload({**ROLLED_OUT, "conditions": STUCK})))


@pytest.mark.usefixtures("impatient")
def test_pods_that_can_not_be_made_are_told(kube: InMemoryKube) -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}

    error = error_of(kube, workload({**NO_POD_READY, "conditions": [refused]}))

    assert error.endswith("s: pods can't be made: exceeded quota")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        pytest.param(
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]},
            "web-1: not scheduled: 0/3 nodes are available",
            id="no node takes it",
        ),
        pytest.param(waiting("ImagePullBackOff", "not found"), "web-1: ImagePullBackOff: not found", id="no image"),
        pytest.param(
            waiting("CrashLoopBackOff", "back-off 10s"), "web-1: CrashLoopBackOff: back-off 10s", id="it crashes"
        ),
        pytest.param(
            {"conditions": [SCHEDULED], "containerStatuses": [RUNNING]},
            "web-1: runs but is not ready; see `kubectl logs web-1`",
            id="it is not ready",
        ),
        pytest.param(
            {"conditions": [SCHEDULED], "containerStatuses": [READY, RUNNING]},
            "web-1: runs but is not ready; see `kubectl logs web-1`",
            id="its second container is not ready",
        ),
        pytest.param(
            {
                "conditions": [SCHEDULED],
                "initContainerStatuses": [DONE, *waiting("ErrImagePull", "no such image")["containerStatuses"]],
                **{"containerStatuses": waiting("PodInitializing", "")["containerStatuses"]},
            },
            "web-1: ErrImagePull: no such image",
            id="its second init container does not come up",
        ),
        pytest.param(waiting("ContainerCreating", ""), "web-1: ContainerCreating: ", id="it does not say why"),
        pytest.param({"conditions": [SCHEDULED], "containerStatuses": [READY]}, "no pod says why", id="it is ready"),
        pytest.param({}, "no pod says why", id="nothing is known of it"),
    ],
)
def test_what_a_pod_lacks_is_told(kube: InMemoryKube, status: Object, trouble: str) -> None:
    kube.put(pod(status))

    assert error_of(kube, workload(NO_POD_READY)).endswith(f"s: {trouble}")


def warning(message: str, moment: str, *, pod: str = "web-1", kind: str = "Warning") -> Object:
    """What events tell of a pod."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "app", "name": f"{pod}.{moment}"},
        "involvedObject": {"kind": "Pod", "name": pod},
        "type": kind,
        "message": message,
        "lastTimestamp": f"2000-01-01T00:00:{moment}Z",
    }


@pytest.mark.usefixtures("impatient")
def test_of_a_pod_that_says_nothing_the_last_event_is_told(kube: InMemoryKube) -> None:
    for event in [
        warning("no helper program /sbin/mount.nfs", "30"),
        warning("not yet bound", "10"),
        warning("assigned to node1", "40", kind="Normal"),
        warning("of another pod", "50", pod="web-2"),
    ]:
        kube.put(event)
    kube.put(pod(waiting("ContainerCreating", "")))

    trouble = "web-1: ContainerCreating: no helper program /sbin/mount.nfs"
    assert error_of(kube, workload(NO_POD_READY)).endswith(trouble)


@pytest.mark.usefixtures("impatient")
def test_every_pod_with_a_trouble_is_named(kube: InMemoryKube) -> None:
    for number in (1, 2):
        kube.put(pod(waiting("ImagePullBackOff", "not found"), f"web-{number}"))

    troubles = "web-1: ImagePullBackOff: not found; web-2: ImagePullBackOff: not found"
    assert error_of(kube, workload(NO_POD_READY)).endswith(troubles)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("elsewhere", [{"labels": {"app": "web"}}, {"namespace": "other"}], ids=["labels", "namespace"])
def test_pods_of_other_workloads_are_not(kube: InMemoryKube, elsewhere: dict[str, Any]) -> None:
    other = copy.deepcopy(pod(waiting("ImagePullBackOff", "not found")))
    other["metadata"].update(elsewhere)
    kube.put(other)

    assert error_of(kube, workload(NO_POD_READY)).endswith("no pod says why")
