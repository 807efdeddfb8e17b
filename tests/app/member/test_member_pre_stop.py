import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from member import pre_stop
from tests.app.member.answering import Answer, Answering

APP = Path(__file__).parents[3] / "app"

SAVED = Answer(json.dumps({"name": "snapshot-1", "revision": 17, "count": 12}).encode(), 201)


def page(leads: bytes) -> Answer:
    lines = [b"# HELP etcd_server_is_leader Whether or not this member is a leader. 1 if is, 0 otherwise."]
    lines += [b"etcd_server_is_leader " + leads, b"etcd_server_leader_changes_seen_total 1"]
    return Answer(b"\n".join([*[b"etcd_disk 1.5"] * 20_000, *lines, b""]))


@pytest.fixture
def metrics(server: Answering, monkeypatch: pytest.MonkeyPatch) -> Answering:
    monkeypatch.setattr(pre_stop, "METRICS", ("127.0.0.1", server.port))
    return server


def test_a_leader_has_a_snapshot_taken(metrics: Answering) -> None:
    metrics.answers |= {"GET /metrics": page(b"1"), "POST /snapshots?reason=stop": SAVED}
    assert pre_stop.save_if_leader(metrics.url) == "this member leads, saved: name snapshot-1, revision 17, count 12"


def test_a_follower_does_nothing(metrics: Answering) -> None:
    metrics.answers["GET /metrics"] = page(b"0")
    assert pre_stop.save_if_leader(metrics.url) == "no snapshot, this member does not lead"
    assert metrics.asked == ["GET /metrics"]


def test_without_backup_nothing_is_asked(metrics: Answering) -> None:
    assert pre_stop.save_if_leader("") == "no snapshot, there is no backup"
    assert metrics.asked == []


def test_a_snapshot_that_cannot_be_taken_is_told(metrics: Answering) -> None:
    failed = Answer(b'{"title": "no", "description": "the volume hangs"}', 503)
    metrics.answers |= {"GET /metrics": page(b"1"), "POST /snapshots?reason=stop": failed}
    said = pre_stop.save_if_leader(metrics.url)
    assert said.startswith("this member leads, but there is no snapshot of it: ")
    assert said.endswith("503: the volume hangs")


def test_etcd_is_not_there(unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pre_stop, "METRICS", ("127.0.0.1", unused_port))
    assert "is not known: " in pre_stop.save_if_leader("http://127.0.0.1:1")


def test_etcd_hangs(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pre_stop, "METRICS", ("127.0.0.1", int(silent.rpartition(":")[2])))
    monkeypatch.setattr(pre_stop, "METRICS_TIMEOUT", 0.05)
    assert pre_stop.save_if_leader("http://127.0.0.1:1").endswith("is not known: timed out")


def test_metrics_that_do_not_tell(metrics: Answering) -> None:
    metrics.answers["GET /metrics"] = Answer(b"etcd_server_is_leader_not 1\n")
    assert "is not known: " in pre_stop.save_if_leader(metrics.url)


def run_with(log: Path, backup_url: str, *settings: str) -> subprocess.CompletedProcess[str]:
    """Run the program as Kubernetes does, but for what `settings` say."""
    code = "; ".join(
        [
            "import sys",
            "from member import pre_stop",
            f"pre_stop.LOG = {str(log)!r}",
            *settings,
            "sys.exit(pre_stop.main())",
        ]
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(APP), "BACKUP_URL": backup_url}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=30
    )


def test_what_it_did_is_one_line_in_the_containers_log_too(server: Answering, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    server.answers["GET /metrics"] = page(b"0")
    result = run_with(log, server.url, f"pre_stop.METRICS = ('127.0.0.1', {server.port})")
    assert (result.returncode, result.stdout) == (0, "before stop: no snapshot, this member does not lead\n")
    assert log.read_text() == "before\n" + result.stdout


def test_whatever_hangs_it_ends_in_time(tmp_path: Path) -> None:
    started = time.monotonic()
    hang = "pre_stop._leads = lambda: __import__('ctypes').CDLL(None).sleep(60)"
    result = run_with(tmp_path / "no-log", "http://127.0.0.1:1", "pre_stop.LIMIT = 0.2", hang)
    assert (result.returncode, result.stdout) == (0, "before stop: no snapshot, gave up after 0.2 s\n")
    assert time.monotonic() - started < 20


def test_whatever_fails_it_ends_well(server: Answering, tmp_path: Path) -> None:
    server.answers["GET /metrics"] = page(b"1")
    result = run_with(tmp_path / "no-log", "no URL", f"pre_stop.METRICS = ('127.0.0.1', {server.port})")
    assert result.returncode == 0
    [line] = result.stdout.splitlines()
    assert line.startswith("before stop: no snapshot: ValueError(")


def test_a_log_that_nobody_reads_holds_up_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    os.mkfifo(log)
    pipe = os.open(log, os.O_RDWR | os.O_NONBLOCK)
    try:
        with suppress(BlockingIOError):
            while True:
                os.write(pipe, b"x" * 4096)
        assert run_with(log, "").stdout == "before stop: no snapshot, there is no backup\n"
    finally:
        os.close(pipe)


def test_help() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "member.pre_stop", "--help"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(APP)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0
    assert "BACKUP_URL" in result.stdout
