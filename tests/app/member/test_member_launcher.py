import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from member import launcher

APP = Path(__file__).parents[3] / "app"
GOOD = {"MY_POD_NAME": "etcd-1", "MEMBERS": "etcd0,etcd1,etcd2", "CLUSTER_TOKEN": "token-1"}


def test_the_command_line_of_a_member() -> None:
    member = launcher.from_environment(GOOD)
    assert launcher.command(member) == [
        "/usr/local/bin/etcd",
        "--name=etcd1",
        "--data-dir=/var/lib/etcd/data",
        "--listen-client-urls=http://0.0.0.0:2379",
        "--advertise-client-urls=http://etcd1:2379",
        "--listen-peer-urls=http://0.0.0.0:2380",
        "--initial-advertise-peer-urls=http://etcd1:2380",
        "--listen-metrics-urls=http://0.0.0.0:2381",
        "--initial-cluster=etcd0=http://etcd0:2380,etcd1=http://etcd1:2380,etcd2=http://etcd2:2380",
        "--initial-cluster-state=new",
        "--initial-cluster-token=token-1",
        "--feature-gates=InitialCorruptCheck=true",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=15m",
    ]


@pytest.mark.parametrize(("pod", "name"), [("etcd-0", "etcd0"), ("etcd-2", "etcd2"), ("other-name-1", "etcd1")])
def test_the_ordinal_chooses_the_member(pod: str, name: str) -> None:
    assert launcher.from_environment(GOOD | {"MY_POD_NAME": pod}).name == name


def test_retention_and_data_folder_can_be_set() -> None:
    command = launcher.command(
        launcher.from_environment(GOOD | {"COMPACTION_RETENTION": "1h30m", "DATA_DIR": "/data/etcd"})
    )
    assert "--auto-compaction-retention=1h30m" in command
    assert "--data-dir=/data/etcd" in command


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
        ("COMPACTION_RETENTION", ""),
    ],
)
def test_a_fault_names_variable_value_and_rule(variable: str, value: str) -> None:
    with pytest.raises(launcher.SettingsError) as caught:
        launcher.from_environment(GOOD | {variable: value})
    [fault] = str(caught.value).splitlines()[1:]
    assert fault.strip().startswith(f"{variable}={value!r} must be ")


def test_all_faults_come_at_once() -> None:
    with pytest.raises(launcher.SettingsError) as caught:
        launcher.from_environment({})
    named = [line.split()[0] for line in str(caught.value).splitlines()[1:]]
    assert named == ["MEMBERS", "MY_POD_NAME", "CLUSTER_TOKEN"]


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    calls: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: calls.append((program, arguments)))
    return calls


def test_the_launcher_becomes_etcd(
    executed: list[tuple[str, list[str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    member = launcher.from_environment(GOOD | {"DATA_DIR": str(tmp_path / "new" / "data")})
    launcher.launch(member)
    assert executed == [("/usr/local/bin/etcd", launcher.command(member))]
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(f"no data yet in {member.data_dir}, starting: /usr/local/bin/etcd --name=etcd1 ")


@pytest.mark.usefixtures("executed")
def test_a_new_data_folder_is_the_owners_alone(tmp_path: Path) -> None:
    member = launcher.from_environment(GOOD | {"DATA_DIR": str(tmp_path / "data")})
    launcher.launch(member)
    assert stat.S_IMODE(member.data_dir.stat().st_mode) == 0o700


@pytest.mark.usefixtures("executed")
def test_data_of_before_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "member" / "wal" / "0.wal"
    record.parent.mkdir(parents=True)
    record.write_bytes(b"log")
    launcher.launch(launcher.from_environment(GOOD | {"DATA_DIR": str(tmp_path)}))
    assert record.read_bytes() == b"log"
    assert capsys.readouterr().out.startswith(f"data found in {tmp_path}, starting: ")


def run_module(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(APP)} | variables
    return subprocess.run(
        [sys.executable, "-m", "member", *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_help_names_the_variables() -> None:
    result = run_module("--help")
    assert result.returncode == 0
    assert all(variable in result.stdout for variable in [*GOOD, "DATA_DIR", "COMPACTION_RETENTION"])


def test_a_wrong_environment_is_exit_code_2_and_one_message() -> None:
    result = run_module()
    assert result.returncode == 2
    assert "MEMBERS" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_data_folder_that_cannot_be_made_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run_module(**GOOD, DATA_DIR=str(tmp_path / "file" / "data"))
    assert result.returncode == 1
    assert str(tmp_path / "file" / "data") in result.stderr
    assert "Traceback" not in result.stderr
