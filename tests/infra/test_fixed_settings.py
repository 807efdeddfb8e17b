from collections.abc import Mapping

import pulumi
import pytest

from tests.infra.program_run import STASH, ProgramRun, Registration, run_program
from tests.infra.stack_config import full_config

FIRST = {
    "context": "test-cluster",
    "namespace": "ha-counter",
    "etcdMembers": "3",
    "etcdStorage": "1Gi",
    "etcdStorageClass": "",
}


def refusal(changes: Mapping[str, str], *, preview: bool = False) -> tuple[list[str], list[Registration]]:
    """The lines of the message that a change of a live stack is refused with, and what was registered before."""
    registered: list[Registration] = []
    with pytest.raises(pulumi.RunError) as error:
        run_program(
            {**full_config(), **changes}, preview=preview, stashed={"fixed-settings": FIRST}, registrations=registered
        )
    return [line.strip() for line in str(error.value).splitlines()], registered


def test_the_values_of_the_first_deployment_are_remembered(run: ProgramRun) -> None:
    assert run.find(STASH, "fixed-settings").inputs["input"] == FIRST


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("context", "other", "a stack stays in its cluster"),
        ("namespace", "other", "in another one the count would begin anew"),
        ("etcdMembers", "5", "to add or remove members is not supported yet"),
        ("etcdStorage", "2Gi", "Kubernetes does not change the volumes of a StatefulSet"),
        ("etcdStorageClass", "fast", "Kubernetes does not change the volumes of a StatefulSet"),
    ],
)
def test_another_value_is_refused(key: str, value: str, reason: str) -> None:
    lines, _ = refusal({key: value})

    assert lines == [
        "A live stack can't be changed like this. "
        "Set the old values, or destroy the stack with its volumes, and so its count:",
        f"ha-counter:{key} is {value!r}: it must stay {FIRST[key]!r}, because {reason}",
    ]


def test_all_are_named_at_once() -> None:
    lines, _ = refusal({"etcdMembers": "5", "etcdStorage": "2Gi"})

    assert [line.split()[0] for line in lines[1:]] == ["ha-counter:etcdMembers", "ha-counter:etcdStorage"]


@pytest.mark.parametrize("preview", [True, False])
def test_nothing_is_made_before(preview: bool) -> None:
    _, registered = refusal({"etcdStorage": "2Gi"}, preview=preview)

    made = {resource.type for resource in registered}
    assert made <= {STASH, "ha-counter:index:NetworkPolicies"}


def test_every_other_key_may_be_changed() -> None:
    run_program(
        full_config() | {"spread": "required", "counterReplicas": "5", "nodePort": "31000"},
        stashed={"fixed-settings": FIRST},
    )
