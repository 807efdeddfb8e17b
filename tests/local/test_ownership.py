"""What is not the stack's is left alone."""

import pytest

from local.ownership import STACK_LABEL
from tests.local.in_memory_kube import InMemoryKube
from tests.local.small_programs import CLUSTER, NAMED, SERVICE, Up, Write, config_map, error_of


@pytest.mark.parametrize(
    ("labels", "whose"), [({}, "this engine did not make it"), ({STACK_LABEL: "other"}, "stack 'other' made it")]
)
def test_an_object_that_is_not_the_stack_s_is_refused_and_left_alone(
    write: Write, up: Up, kube: InMemoryKube, labels: dict[str, str], whose: str
) -> None:
    theirs = config_map("settings", **labels)
    kube.put(theirs)
    before = kube.find("ConfigMap", "settings")

    error = error_of(up, write(CLUSTER, NAMED))

    assert error == f"ConfigMap app/settings exists and {whose}: delete it, or deploy to another namespace"
    assert kube.find("ConfigMap", "settings") == before


def test_a_namespace_that_is_not_the_stack_s_is_refused(write: Write, up: Up, kube: InMemoryKube) -> None:
    kube.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}})

    assert error_of(up, write(CLUSTER)).startswith("Namespace app exists")


def test_an_object_that_is_no_longer_named_is_deleted(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, NAMED, SERVICE))

    up(write(CLUSTER, SERVICE))

    assert kube.deleted == ["ConfigMap app/settings"]
    assert kube.names("ConfigMap") == []


def test_a_run_that_fails_deletes_nothing(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, NAMED))
    kube.refuses["Service app/web"] = "no"

    error_of(up, write(CLUSTER, SERVICE))

    assert kube.deleted == []


def test_a_label_that_a_controller_copied_makes_nothing_the_stack_s(write: Write, up: Up, kube: InMemoryKube) -> None:
    endpoints = config_map("copied", **{STACK_LABEL: "test"})
    kube.put({**endpoints, "kind": "Endpoints"})

    up(write(CLUSTER))

    assert kube.names("Endpoints") == ["copied"]


def test_objects_of_other_stacks_are_left_alone(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER.replace('"app"', '"other"'), NAMED, stack="other"))

    up(write(CLUSTER))

    assert kube.names("ConfigMap") == ["settings"]
