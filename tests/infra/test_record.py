"""The record of what was decided about etcd's members. What it holds is not the program's."""

import pytest

from tests.infra.program_run import ProgramRun

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"


def test_it_is_made_empty_and_nothing_is_said_of_what_it_holds(run: ProgramRun) -> None:
    record = run.find(CONFIG_MAP, "etcd-cluster").inputs

    assert record["metadata"]["name"] == "etcd-cluster"
    assert record.keys() & {"data", "binaryData", "immutable"} == set()


def test_it_outlives_the_stack_and_is_taken_over_by_the_next(run: ProgramRun) -> None:
    record = run.find(CONFIG_MAP, "etcd-cluster")

    assert record.retained
    assert record.provider.rpartition("::")[0] == run.find("pulumi:providers:kubernetes", "namespace").urn


@pytest.mark.parametrize(
    ("type_", "name"),
    [("kubernetes:apps/v1:Deployment", "etcd-controller"), ("kubernetes:apps/v1:StatefulSet", "etcd")],
)
def test_controller_and_members_start_after_it(run: ProgramRun, type_: str, name: str) -> None:
    workload = run.find(type_, name)

    assert run.find(CONFIG_MAP, "etcd-cluster").urn in run.all_dependencies(workload)


def test_there_is_one_without_snapshots_too(without_backup: ProgramRun) -> None:
    assert without_backup.find(CONFIG_MAP, "etcd-cluster").retained
