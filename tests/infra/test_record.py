"""The record of etcd's epochs. What it holds is not the program's."""

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


def test_members_start_after_it(run: ProgramRun) -> None:
    members = run.find("kubernetes:apps/v1:StatefulSet", "etcd")

    assert run.find(CONFIG_MAP, "etcd-cluster").urn in members.dependencies


def test_there_is_one_without_snapshots_too(without_backup: ProgramRun) -> None:
    assert without_backup.find(CONFIG_MAP, "etcd-cluster").retained
