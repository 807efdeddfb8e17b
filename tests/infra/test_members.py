"""How the program and the programs in the containers call the members: the same."""

from ha_counter.members import MOST_MEMBERS, member_names
from member import addresses
from tests.infra.program_run import ProgramRun


def test_they_are_numbered_as_their_pods_are() -> None:
    assert member_names(3) == ["etcd0", "etcd1", "etcd2"]


def test_there_are_seven_at_most() -> None:
    assert MOST_MEMBERS == 7


def test_members_and_controller_know_them_by_the_names_of_their_services(run: ProgramRun) -> None:
    names = [addresses.member_name(number) for number in range(MOST_MEMBERS)]

    assert names == member_names(MOST_MEMBERS)
    assert {*names} <= {service.name for service in run.of_type("kubernetes:core/v1:Service")}


def test_and_on_the_ports_that_they_have(run: ProgramRun) -> None:
    [container] = run.find("kubernetes:apps/v1:StatefulSet", "etcd").inputs["spec"]["template"]["spec"]["containers"]

    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
        "client": addresses.CLIENT_PORT,
        "peer": addresses.PEER_PORT,
        "metrics": addresses.METRICS_PORT,
    }
