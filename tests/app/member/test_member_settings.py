from pathlib import Path

import pytest

from member import settings
from member.settings import Restoration
from service.environment import SettingsError
from tests.app.member.conftest import BEGIN_ANEW, GOOD, RESTORE, SHA256


def faults(environment: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings.from_environment(environment)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


@pytest.mark.parametrize(("pod", "name"), [("etcd-0", "etcd0"), ("etcd-2", "etcd2"), ("other-name-1", "etcd1")])
def test_the_ordinal_chooses_the_member(pod: str, name: str) -> None:
    assert settings.from_environment(GOOD | {"MY_POD_NAME": pod}).name == name


def test_without_a_record_the_token_is_the_configured_one() -> None:
    member = settings.from_environment(GOOD)
    assert (member.token, member.restoration, member.backup_url) == ("token-1", None, "")
    assert member.data_dir == Path("/var/lib/etcd/data")


def test_the_token_of_the_record_comes_first() -> None:
    assert settings.from_environment(GOOD | {"RECORD_EPOCH": "2", "RECORD_TOKEN": "token-2"}).token == "token-2"


def test_keys_of_the_record_that_are_empty_are_not_there() -> None:
    nothing = dict.fromkeys(["RECORD_EPOCH", "RECORD_TOKEN", "RECORD_RESTORE", "RECORD_BUMP", "BACKUP_URL"], "")
    assert settings.from_environment(GOOD | nothing) == settings.from_environment(GOOD)


def test_a_restore_from_a_file() -> None:
    member = settings.from_environment(GOOD | RESTORE)
    assert member.restoration == Restoration(epoch=2, sha256=SHA256, bump=1_000_000_000)
    assert member.token == "token-2"


def test_a_restore_from_nothing_needs_no_bump() -> None:
    assert settings.from_environment(GOOD | BEGIN_ANEW).restoration == Restoration(epoch=2, sha256=None, bump=0)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MY_POD_NAME", ""),
        ("MY_POD_NAME", "etcd"),
        ("MY_POD_NAME", "etcd-3"),
        ("MY_POD_NAME", "etcd-x"),
        ("MY_POD_NAME", "etcd-01"),
        ("MY_POD_NAME", "etcd-٣"),
        ("MEMBERS", "etcd0,,etcd2"),
        ("MEMBERS", "etcd0,etcd1,etcd1"),
        ("MEMBERS", "http://etcd0,etcd1"),
        ("MEMBERS", "etcd0, etcd1"),
        ("CLUSTER_TOKEN", ""),
        ("DATA_DIR", "data"),
        ("DATA_DIR", ""),
        ("COMPACTION_RETENTION", "15 minutes"),
        ("QUOTA", "1Gi"),
        ("COMPACTION_RETENTION", ""),
        ("BACKUP_URL", "etcd-backup:8080"),
        ("BACKUP_URL", "http://etcd-backup:8080/"),
        ("RECORD_RESTORE", "latest"),
        ("RECORD_RESTORE", SHA256.upper()),
        ("RECORD_RESTORE", SHA256[1:]),
        ("RECORD_EPOCH", "0"),
        ("RECORD_EPOCH", "two"),
        ("RECORD_EPOCH", "٣"),
        ("RECORD_EPOCH", ""),
        ("RECORD_TOKEN", ""),
        ("RECORD_TOKEN", " "),
        ("RECORD_BUMP", "0"),
        ("RECORD_BUMP", "-1"),
        ("RECORD_BUMP", ""),
    ],
)
def test_a_fault_names_variable_value_and_rule(variable: str, value: str) -> None:
    [fault] = faults(GOOD | RESTORE | {variable: value})
    assert fault.startswith(f"{variable}={value!r} ")
    assert ", but must be " in fault


@pytest.mark.parametrize("variable", ["RECORD_EPOCH", "RECORD_TOKEN", "RECORD_BUMP"])
def test_a_restore_needs_all_of_the_record(variable: str) -> None:
    environment = GOOD | RESTORE
    del environment[variable]
    [fault] = faults(environment)
    assert fault.startswith(f"{variable} is not set, but must be ")


def test_what_is_wrong_in_the_record_is_told_without_a_restore_too() -> None:
    [fault] = faults(GOOD | {"RECORD_EPOCH": "two"})
    assert fault.startswith("RECORD_EPOCH='two' ")


def test_all_faults_come_at_once() -> None:
    assert [fault.split()[0] for fault in faults({})] == ["MEMBERS", "MY_POD_NAME", "CLUSTER_TOKEN"]
