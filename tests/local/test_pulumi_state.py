from typing import Any

import pytest

from local import pulumi_state

SERVICE: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "counters", "name": "etcd"}}
PENDING = {"urn": "urn::etcd", "type": "kubernetes:core/v1:Service", "inputs": SERVICE}


def state(*creating: dict[str, Any], known: tuple[str, ...] = (), operation: str = "creating") -> pulumi_state.State:
    return {
        "resources": [{"urn": urn} for urn in known],
        "pending_operations": [{"type": operation, "resource": resource} for resource in creating],
    }


def test_an_object_whose_creation_was_cut_off_is_half_made() -> None:
    assert pulumi_state.half_made_objects(state(PENDING)) == [SERVICE]


@pytest.mark.parametrize(
    "resource",
    [
        {"urn": "urn::image", "type": "docker:index/image:Image", "inputs": {}},
        {"urn": "urn::namespace", "type": "kubernetes:core/v1:Namespace", "inputs": {}, "retainOnDelete": True},
    ],
    ids=["not an object", "outlives the stack"],
)
def test_what_can_simply_be_made_again_is_not(resource: dict[str, Any]) -> None:
    assert pulumi_state.half_made_objects(state(resource)) == []
    assert pulumi_state.has_pending_creations(state(resource))


def test_what_a_later_run_made_is_not() -> None:
    """Pulumi goes on to call a creation pending when it has succeeded since."""
    assert pulumi_state.half_made_objects(state(PENDING, known=("urn::etcd",))) == []


@pytest.mark.parametrize("operation", ["updating", "deleting"])
def test_what_was_cut_off_otherwise_is_pulumis_to_repeat(operation: str) -> None:
    assert not pulumi_state.has_pending_creations(state(PENDING, operation=operation))


@pytest.mark.parametrize("nothing", [{}, {"resources": None, "pending_operations": None}])
def test_a_stack_may_have_nothing(nothing: pulumi_state.State) -> None:
    assert not pulumi_state.has_pending_creations(nothing)
    assert pulumi_state.context(nothing) is None
