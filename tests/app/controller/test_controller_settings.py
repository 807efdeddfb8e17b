import pytest

from controller import settings
from controller.settings import Settings
from service.environment import SettingsError

GOOD = {"MY_POD_NAME": "etcd-controller-1", "MY_POD_NAMESPACE": "default"}


def faults(environment: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings.from_environment(environment)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_what_is_not_set_has_a_default() -> None:
    assert settings.from_environment(GOOD) == Settings("etcd-controller-1", "default", "", 8080, "info")


def test_all_of_it_can_be_set() -> None:
    variables = {"BACKUP_URL": "http://etcd-backup:8080", "PORT": "9090", "LOG_LEVEL": "debug"}
    assert settings.from_environment(GOOD | variables) == Settings(
        "etcd-controller-1", "default", "http://etcd-backup:8080", 9090, "debug"
    )


def test_without_a_backup_its_url_may_be_empty() -> None:
    assert settings.from_environment(GOOD | {"BACKUP_URL": ""}) == settings.from_environment(GOOD)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MY_POD_NAME", ""),
        ("MY_POD_NAMESPACE", " "),
        ("BACKUP_URL", "etcd-backup:8080"),
        ("BACKUP_URL", "http://etcd-backup:8080/snapshots"),
        ("PORT", "0"),
        ("PORT", "x"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_fault_names_variable_value_and_rule(variable: str, value: str) -> None:
    [fault] = faults(GOOD | {variable: value})
    assert fault.startswith(f"{variable}={value!r} ")
    assert ", but must be " in fault


def test_all_faults_come_at_once() -> None:
    assert [fault.split()[0] for fault in faults({})] == ["MY_POD_NAME", "MY_POD_NAMESPACE"]
