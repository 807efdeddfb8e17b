from dataclasses import replace
from pathlib import Path

import pytest

from member import settings
from service.environment import SettingsError
from tests.app.member.conftest import GOOD


def faults(environment: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings.from_environment(environment)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


@pytest.mark.parametrize(
    ("pod", "number", "name"), [("etcd-0", 0, "etcd0"), ("etcd-12", 12, "etcd12"), ("other-name-1", 1, "etcd1")]
)
def test_the_ordinal_chooses_the_member(pod: str, number: int, name: str) -> None:
    member = settings.from_environment(GOOD | {"MY_POD_NAME": pod})
    assert (member.number, member.name) == (number, name)


def test_what_is_not_set_has_a_default() -> None:
    assert settings.from_environment(GOOD) == settings.Member(
        number=1,
        pod="pod-1",
        data_dir=Path("/var/lib/etcd/data"),
        retention="15m",
        quota=0,
        controller_url="http://etcd-controller:8080",
        backup_url="",
    )


def test_all_of_it_can_be_set() -> None:
    variables = {"BACKUP_URL": "http://etcd-backup:8080", "DATA_DIR": "/data", "COMPACTION_RETENTION": "1h30m"}
    assert settings.from_environment(GOOD | variables | {"QUOTA": "5"}) == replace(
        settings.from_environment(GOOD),
        backup_url="http://etcd-backup:8080",
        data_dir=Path("/data"),
        retention="1h30m",
        quota=5,
    )


@pytest.mark.parametrize("variable", ["BACKUP_URL", "QUOTA"])
def test_what_may_be_left_out_may_be_empty(variable: str) -> None:
    assert settings.from_environment(GOOD | {variable: ""}) == settings.from_environment(GOOD)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MY_POD_NAME", ""),
        ("MY_POD_NAME", "etcd"),
        ("MY_POD_NAME", "etcd-x"),
        ("MY_POD_NAME", "etcd-01"),
        ("MY_POD_NAME", "etcd-٣"),
        ("MY_POD_UID", ""),
        ("MY_POD_UID", " "),
        ("CONTROLLER_URL", ""),
        ("CONTROLLER_URL", "etcd-controller:8080"),
        ("CONTROLLER_URL", "http://etcd-controller:8080/"),
        ("DATA_DIR", "data"),
        ("DATA_DIR", ""),
        ("COMPACTION_RETENTION", "15 minutes"),
        ("COMPACTION_RETENTION", ""),
        ("QUOTA", "1Gi"),
        ("QUOTA", "0"),
        ("BACKUP_URL", "etcd-backup:8080"),
        ("BACKUP_URL", "https://etcd-backup:8080"),
        ("BACKUP_URL", "http://etcd-backup:8080/"),
    ],
)
def test_a_fault_names_variable_value_and_rule(variable: str, value: str) -> None:
    [fault] = faults(GOOD | {variable: value})
    assert fault.startswith(f"{variable}={value!r} ")
    assert ", but must be " in fault


def test_all_faults_come_at_once() -> None:
    assert [fault.split()[0] for fault in faults({})] == ["MY_POD_NAME", "MY_POD_UID", "CONTROLLER_URL"]
