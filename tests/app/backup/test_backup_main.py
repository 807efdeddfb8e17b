"""`python -m backup` as a whole, around a core that needs neither etcd nor a volume."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.backup.fake_core import CONTENT

TOP = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "backup"]
COMMANDS = ["snapshot", "snapshots", "export", "restore-file", "upload"]

# The whole program, but for its core.
PROGRAM = """
import signal, sys, tempfile, time
from backup import __main__ as main
from tests.app.backup.fake_core import FakeCore

class Backup(FakeCore):
    def __init__(self, config, metrics):
        super().__init__()
        print("made", flush=True)

    def upload(self, stream, length):
        print("files are made in", tempfile.gettempdir(), flush=True)
        return super().upload(stream, length)

    def take(self, reason):
        print("taking", flush=True)
        sys.stdin.readline()
        while signal.getsignal(signal.SIGTERM) != signal.SIG_IGN:  # it was not told to stop yet
            time.sleep(0.001)
        return super().take(reason)

    def close(self):
        super().close()
        print("closed", flush=True)

main.Backup = Backup
sys.exit(main.main())
"""


@pytest.fixture
def variables(tmp_path: Path, unused_port: int) -> dict[str, str]:
    return {
        "ETCD_ENDPOINTS": "http://127.0.0.1:1",
        "MY_POD_NAME": "pod-1",
        "SNAPSHOTS_DIR": "/snapshots",
        "SCRATCH_DIR": str(tmp_path),
        "PORT": str(unused_port),
    }


@pytest.fixture
def serving(variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The process, which serves."""
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, env=environment(**variables), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            read_until("serving on port", process)
            yield process
        finally:
            process.kill()


def environment(**variables: str) -> dict[str, str]:
    path = os.pathsep.join([str(TOP / "app"), str(TOP)])
    return {"PATH": os.environ["PATH"], "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | variables


def read_until(words: str, process: subprocess.Popen[str]) -> str:
    """What the process writes to stdout, up to the line that has these words."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if words in line:
            return text
    raise AssertionError(f"it ended without {words!r}: {text}")


def run(variables: dict[str, str], *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *words], env=environment(**variables), input=stdin, capture_output=True, check=False
    )


def test_help_names_the_variables_and_the_commands() -> None:
    text = run({}, "--help").stdout.decode()
    assert all(word in text for word in ["SNAPSHOTS_DIR", "SNAPSHOT_INTERVAL", *COMMANDS])


def test_a_wrong_environment_is_exit_code_2_and_one_message() -> None:
    result = run({"PORT": "x", "SCRATCH_DIR": "scratch"})
    assert result.returncode == 2
    assert "PORT='x'" in result.stderr.decode()
    assert "SCRATCH_DIR='scratch' is no absolute path, but must be" in result.stderr.decode()
    assert "SNAPSHOTS_DIR is not set" in result.stderr.decode()
    assert "Traceback" not in result.stderr.decode()


def test_a_thread_that_fails_ends_the_process(variables: dict[str, str]) -> None:
    program = """
import threading
from backup import __main__ as main

def fail():
    raise RuntimeError("for a reason")

def serve(*_):
    threading.Thread(target=fail, name="log").start()
    threading.Event().wait()

main._serve = serve
main.main()
"""
    command = [sys.executable, "-c", program]
    result = subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, check=False, timeout=30
    )
    assert result.returncode == 1
    assert "'log' failed" in result.stdout
    assert "for a reason" in result.stdout


def test_it_serves_those_in_its_pod(serving: subprocess.Popen[str], variables: dict[str, str]) -> None:
    assert json.loads(run(variables, "snapshots", "--format=json").stdout)["snapshots"][0]["name"] == "snapshot-1"
    assert run(variables, "export", "latest").stdout == CONTENT
    refused = run(variables, "export", "other")
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert refused.stderr.decode() == "There is no snapshot 'other'.\n"
    serving.terminate()


def test_large_bodies_wait_where_files_can_be_written(
    serving: subprocess.Popen[str], variables: dict[str, str]
) -> None:
    result = run(variables, "upload", stdin=b"snapshot" + bytes(2_000_000))
    assert result.returncode == 0
    assert f"files are made in {variables['SCRATCH_DIR']}\n" in read_until("files are made in", serving)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_finished_before_it_stops(
    serving: subprocess.Popen[str], variables: dict[str, str], number: signal.Signals
) -> None:
    command = [*COMMAND, "snapshot", "--no-wait"]
    with subprocess.Popen(command, env=environment(**variables), stdout=subprocess.PIPE, text=True) as asking:
        read_until("taking", serving)
        serving.send_signal(number)
        serving.send_signal(number)  # who is impatient does not make it less orderly
        assert serving.stdin is not None
        print("go on", file=serving.stdin, flush=True)
        assert asking.communicate(timeout=10)[0].count("snapshot-2") == 1
    assert serving.wait(timeout=10) == 0
    assert serving.stdout is not None
    log = serving.stdout.read()
    assert log.splitlines()[0] == "closed"
    assert json.loads(log.splitlines()[-1])["message"] == "stopped"
    assert "Traceback" not in log
