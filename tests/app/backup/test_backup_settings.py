from pathlib import Path

import pytest

from backup.settings import VARIABLES, Settings, from_environment
from etcd.endpoints import Endpoint
from service.environment import SettingsError, describe

GOOD = {
    "ETCD_ENDPOINTS": "http://etcd0:2379,http://etcd1:2379",
    "MY_POD_NAME": "pod-1",
    "SNAPSHOTS_DIR": "/snapshots",
    "SCRATCH_DIR": "/scratch",
}


def test_a_good_environment() -> None:
    assert from_environment(GOOD | {"PORT": "9090", "LOG_LEVEL": "debug", "SNAPSHOT_INTERVAL": "60"}) == Settings(
        etcd_endpoints=(Endpoint("etcd0", 2379), Endpoint("etcd1", 2379)),
        pod="pod-1",
        snapshots=Path("/snapshots"),
        scratch=Path("/scratch"),
        snapshot_interval=60,
        port=9090,
        log_level="debug",
    )


def test_what_is_not_set_has_a_default() -> None:
    settings = from_environment(GOOD)
    assert (settings.snapshot_interval, settings.port, settings.log_level) == (300, 8080, "info")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ETCD_ENDPOINTS", "etcd0"),
        ("MY_POD_NAME", " "),
        ("SNAPSHOTS_DIR", ""),
        ("SNAPSHOTS_DIR", "snapshots"),
        ("SCRATCH_DIR", "./scratch"),
        ("SNAPSHOT_INTERVAL", ""),
        ("SNAPSHOT_INTERVAL", "0"),
        ("SNAPSHOT_INTERVAL", "5m"),
        ("SNAPSHOT_INTERVAL", "1.5"),
        ("SNAPSHOT_INTERVAL", "86401"),
        ("SNAPSHOT_INTERVAL", "²"),  # a digit to str.isdigit, no number to int
        ("PORT", "65536"),
        ("LOG_LEVEL", "INFO"),
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
        from_environment({"PORT": "x", "LOG_LEVEL": "x", "SNAPSHOT_INTERVAL": "x"})
    named = [line.split()[0].partition("=")[0] for line in str(caught.value).splitlines()[1:]]
    assert named == [*GOOD, "SNAPSHOT_INTERVAL", "PORT", "LOG_LEVEL"]


def test_every_variable_is_described() -> None:
    assert all(variable in describe(VARIABLES) for variable in [*GOOD, "SNAPSHOT_INTERVAL", "PORT", "LOG_LEVEL"])
