import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.app.member.conftest import GOOD, RESTORE

APP = Path(__file__).parents[3] / "app"


def environment(variables: dict[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(APP)} | variables


def run_module(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "member", *arguments],
        env=environment(variables),
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_the_variables() -> None:
    result = run_module("--help")
    assert result.returncode == 0
    variables = [*GOOD, *RESTORE, "DATA_DIR", "COMPACTION_RETENTION", "BACKUP_URL"]
    assert all(variable in result.stdout for variable in variables)


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


@pytest.mark.parametrize("restore", [{}, RESTORE])
def test_a_member_that_waits_ends_when_it_is_told_to(tmp_path: Path, unused_port: int, restore: dict[str, str]) -> None:
    variables = {**GOOD, **restore, "DATA_DIR": str(tmp_path / "data"), "BACKUP_URL": f"http://127.0.0.1:{unused_port}"}
    with subprocess.Popen(
        [sys.executable, "-m", "member"], env=environment(variables), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("waiting: ")
        with urllib.request.urlopen("http://127.0.0.1:2381/livez", timeout=5) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        # By a handler of its own: the first process of a container has no other.
        assert process.wait(timeout=10) == 0
