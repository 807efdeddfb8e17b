from collections.abc import Mapping

import pulumi
import pytest

from tests.infra.program_run import STASH, ProgramRun, Registration, run_program
from tests.infra.stack_config import full_config

FIRST = {
    "context": "test-cluster",
    "namespace": "ha-counter",
    "etcdStorage": "1Gi",
    "etcdStorageClass": "",
}
FIRST_OF_SERVER = {"snapshotStorage": "5Gi", "snapshotStorageClass": ""}
STASHED = {"fixed-settings": FIRST, "fixed-snapshot-settings": FIRST_OF_SERVER}


def refusal(changes: Mapping[str, str], *, preview: bool = False) -> tuple[list[str], list[Registration]]:
    """The lines of the message that a change of a live stack is refused with, and what was registered before."""
    registered: list[Registration] = []
    with pytest.raises(pulumi.RunError) as error:
        run_program({**full_config(), **changes}, preview=preview, stashed=STASHED, registrations=registered)
    return [line.strip() for line in str(error.value).splitlines()], registered


def test_the_values_of_the_first_deployment_are_remembered(run: ProgramRun) -> None:
    assert {stash.name: stash.inputs["input"] for stash in run.of_type(STASH)} == STASHED


def test_other_values_are_refused_all_at_once() -> None:
    of_a_set = "Kubernetes does not change the volumes of a StatefulSet"
    changes = {
        "context": ("other", "a stack stays in its cluster"),
        "namespace": ("other", "in another one the count would begin anew"),
        "etcdStorage": ("2Gi", of_a_set),
        "etcdStorageClass": ("fast", of_a_set),
        "snapshotStorage": ("9Gi", of_a_set),
        "snapshotStorageClass": ("fast", of_a_set),
    }

    lines, _ = refusal({key: value for key, (value, _) in changes.items()})

    assert lines == [
        "A live stack can't be changed like this. "
        "Set the old values, or destroy the stack with its volumes, and so its count:",
        *(
            f"ha-counter:{key} is {value!r}: it must stay {(FIRST | FIRST_OF_SERVER)[key]!r}, because {reason}"
            for key, (value, reason) in changes.items()
        ),
    ]


def test_of_one_that_is_other_only_that_is_told() -> None:
    lines, _ = refusal({"etcdStorage": "2Gi"})

    assert [line.split()[0] for line in lines[1:]] == ["ha-counter:etcdStorage"]


@pytest.mark.parametrize("preview", [True, False])
def test_nothing_is_made_before(preview: bool) -> None:
    _, registered = refusal({"etcdStorage": "2Gi"}, preview=preview)

    made = {resource.type for resource in registered if not resource.type.startswith("ha-counter:index:")}
    assert made == {STASH}


def test_every_other_key_may_be_changed() -> None:
    run_program(
        full_config() | {"spread": "required", "counterReplicas": "5", "nodePort": "31000", "etcdMembers": "5"},
        stashed=STASHED,
    )


def test_a_stack_that_remembers_a_number_of_members_may_get_another() -> None:
    """It could not be changed once, and such a stack remembers it to this day."""
    run_program(
        full_config() | {"etcdMembers": "5"}, stashed={**STASHED, "fixed-settings": {**FIRST, "etcdMembers": "3"}}
    )


def test_a_stack_from_before_there_were_snapshots_gets_them_as_configured() -> None:
    run_program(full_config() | {"snapshotStorage": "9Gi"}, stashed={"fixed-settings": FIRST})


def test_of_a_server_that_there_is_not_nothing_is_remembered(without_server: ProgramRun) -> None:
    assert [stash.name for stash in without_server.of_type(STASH)] == ["fixed-settings"]
