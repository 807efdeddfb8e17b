"""`python -m member` as a whole, without etcd."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from member.settings import VARIABLES
from tests.app.member.conftest import GOOD, environment


def run_module(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "member", *arguments],
        env=environment(variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_the_variables() -> None:
    result = run_module("--help")
    assert result.returncode == 0
    assert all(variable.name in result.stdout for variable in VARIABLES)


def test_a_wrong_environment_is_exit_code_2_and_one_message() -> None:
    result = run_module()
    assert result.returncode == 2
    assert "CONTROLLER_URL" in result.stderr
    assert "Traceback" not in result.stderr


def run_on_free_ports(**variables: str) -> "subprocess.Popen[str]":
    """Begin as the module does, but for the ports: that of the probes is printed first."""
    program = """
import sys
from contextlib import contextmanager
from functools import partial
from member import __main__ as main, file_server, probes

answered = probes.answered

@contextmanager
def answered_anywhere():
    with answered(port=0) as port:
        print(port, flush=True)
        yield port

probes.answered = answered_anywhere
file_server.serving = partial(file_server.serving, port=0)
sys.exit(main.main())
"""
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_volume_that_cannot_be_used_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with run_on_free_ports(**GOOD, DATA_DIR=str(tmp_path / "file" / "data")) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.fullmatch(f"etcd can't be started: .*'{tmp_path}/file/data.*'\n", said)


def test_a_member_that_waits_ends_when_it_is_told_to(tmp_path: Path, unused_port: int) -> None:
    variables = GOOD | {"CONTROLLER_URL": f"http://127.0.0.1:{unused_port}", "DATA_DIR": str(tmp_path / "data")}
    with run_on_free_ports(**variables) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            assert process.stdout.readline().startswith(f"no answer from http://127.0.0.1:{unused_port}/members/1: ")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5) as answer:
                assert answer.status == 200
            process.send_signal(signal.SIGTERM)
            # By a handler of its own: the first process of a container has no other.
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()
