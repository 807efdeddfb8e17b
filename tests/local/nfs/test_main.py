"""The program as mount(8) runs it, up to where it would need a server."""

import socket
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).parents[3]


def mount(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.nfs", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, timeout=30)


def test_what_can_not_be_mounted_is_told_as_mount_expects_it() -> None:
    done = mount("server:/a", "/mnt", "-o", "rw,soft", "-o", "timeo=soon")

    assert done.returncode == 32
    assert done.stderr == "mount.nfs: option timeo=soon: must be a whole number from 1 to 36000\n"


def test_a_server_that_is_not_there_is_told_by_the_process_that_would_stay(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody listens
        port = unused.getsockname()[1]
        started = time.monotonic()
        done = mount("127.0.0.1:/a", str(tmp_path), "-v", "-o", f"soft,timeo=2,retrans=1,port={port}")

    assert done.returncode == 32
    assert done.stderr.startswith("mount.nfs: ")
    assert len(done.stderr.splitlines()) == 1
    assert time.monotonic() - started < 20


def test_the_help_says_what_can_be_mounted_how() -> None:
    done = mount("--help")

    assert done.returncode == 0
    assert "HOST:/PATH" in done.stdout
    assert "timeo" in done.stdout
