import pytest

from counter.settings import VARIABLES, Settings, from_environment
from etcd.endpoints import Endpoint
from service.environment import SettingsError, describe

GOOD = {
    "ETCD_ENDPOINTS": "http://etcd0:2379,http://etcd1:2379,http://10.96.0.7:2379",
    "MY_POD_NAME": "pod-1",
    "MY_NODE_NAME": "node-1",
    "MY_POD_NAMESPACE": "default",
    "MY_POD_IP": "10.201.1.7",
}


def test_a_good_environment() -> None:
    assert from_environment(
        GOOD | {"PORT": "9090", "PEER_PORT": "9091", "DATABASE_ROOM": "5", "LOG_LEVEL": "debug"}
    ) == Settings(
        etcd_endpoints=(Endpoint("etcd0", 2379), Endpoint("etcd1", 2379), Endpoint("10.96.0.7", 2379)),
        pod="pod-1",
        node="node-1",
        namespace="default",
        pod_ip="10.201.1.7",
        port=9090,
        peer_port=9091,
        database_room=5,
        log_level="debug",
    )


def test_the_ports_are_8080_and_8081_if_not_set() -> None:
    assert (from_environment(GOOD).port, from_environment(GOOD).peer_port) == (8080, 8081)


def test_the_log_level_is_info_if_not_set() -> None:
    assert from_environment(GOOD).log_level == "info"


def test_blanks_and_a_slash_in_endpoints_are_forgiven() -> None:
    settings = from_environment(GOOD | {"ETCD_ENDPOINTS": "http://etcd0:2379/, http://etcd1.ns.svc:2379"})
    assert settings.etcd_endpoints == (Endpoint("etcd0", 2379), Endpoint("etcd1.ns.svc", 2379))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ETCD_ENDPOINTS", ""),
        ("ETCD_ENDPOINTS", "etcd0:2379"),
        ("ETCD_ENDPOINTS", "http://etcd0"),
        ("ETCD_ENDPOINTS", "https://etcd0:2379"),
        ("ETCD_ENDPOINTS", "http://etcd0:0"),
        ("ETCD_ENDPOINTS", "http://etcd0:99999"),
        ("ETCD_ENDPOINTS", "http://etcd0:2379/path"),
        ("ETCD_ENDPOINTS", "http://user@etcd0:2379"),
        ("ETCD_ENDPOINTS", "http://etcd0:2379,"),
        ("ETCD_ENDPOINTS", "http://etcd0:2379,http://etcd0:2379"),
        ("ETCD_ENDPOINTS", f"http://{'long' * 16}:2379"),
        ("ETCD_ENDPOINTS", "http://etcd0..svc:2379"),
        ("MY_POD_NAME", ""),
        ("MY_NODE_NAME", " "),
        ("MY_POD_NAMESPACE", ""),
        ("PORT", ""),
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("LOG_LEVEL", ""),
        ("LOG_LEVEL", "INFO"),
        ("LOG_LEVEL", "verbose"),
        ("MY_POD_IP", ""),
        ("MY_POD_IP", "pod-1"),
        ("MY_POD_IP", "10.201.1.256"),
        ("PEER_PORT", "0"),
        ("DATABASE_ROOM", "0"),
        ("DATABASE_ROOM", "1Gi"),
        ("PORT", "²"),  # a digit to str.isdigit, no number to int
    ],
)
def test_a_fault_names_variable_value_and_rule(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment(GOOD | {variable: value})
    [fault] = str(caught.value).splitlines()[1:]
    assert f"{variable}={value!r}" in fault
    assert "must be" in fault


def test_all_faults_come_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment({"ETCD_ENDPOINTS": "etcd0", "PORT": "x", "PEER_PORT": "x", "LOG_LEVEL": "x"})
    named = [line.split()[0].partition("=")[0] for line in str(caught.value).splitlines()[1:]]
    pod = ["MY_POD_NAME", "MY_NODE_NAME", "MY_POD_NAMESPACE", "MY_POD_IP"]
    assert named == ["ETCD_ENDPOINTS", *pod, "PORT", "PEER_PORT", "LOG_LEVEL"]


def test_every_variable_is_described() -> None:
    assert all(variable in describe(VARIABLES) for variable in [*GOOD, "PORT", "PEER_PORT", "LOG_LEVEL"])
