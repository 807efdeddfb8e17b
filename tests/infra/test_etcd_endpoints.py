from tests.infra.program_run import ProgramRun, run_program
from tests.infra.stack_config import full_config

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"


def test_the_endpoints_and_how_many_they_are_is_in_the_config_map(run: ProgramRun) -> None:
    assert run.find(CONFIG_MAP, "etcd-config").inputs["data"] == {
        "endpoints": "http://etcd0:2379,http://etcd1:2379,http://etcd2:2379",
        "members": "3",
    }


def test_a_change_of_the_config_changes_both() -> None:
    data = run_program(full_config() | {"etcdMembers": "7"}).find(CONFIG_MAP, "etcd-config").inputs["data"]

    assert data["members"] == "7"
    assert data["endpoints"].split(",") == [f"http://etcd{number}:2379" for number in range(7)]


def test_who_talks_to_etcd_reads_them_there(run: ProgramRun) -> None:
    reads = {
        resource.name: variable["valueFrom"]["configMapKeyRef"]
        for resource in run.of_type("kubernetes:apps/v1:Deployment")
        for variable in resource.inputs["spec"]["template"]["spec"]["containers"][0]["env"]
        if variable["name"] == "ETCD_ENDPOINTS"
    }

    assert reads == {
        name: {"name": "etcd-config", "key": "endpoints"} for name in ("counter-deployment", "etcd-backup")
    }


def test_a_live_stack_s_config_map_is_not_made_anew(run: ProgramRun) -> None:
    """It was once a part of the etcd cluster."""
    assert run.find(CONFIG_MAP, "etcd-config").former_parents == {
        "urn:pulumi:test::ha-counter::ha-counter:index:EtcdCluster::etcd"
    }
