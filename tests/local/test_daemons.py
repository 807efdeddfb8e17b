"""Daemons that are small shell scripts, in folders that stand for control groups: real ones need root."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from local import cgroups, daemons
from local.daemons import Daemon, ensure, log_file, main_process, recorded, stop
from local.errors import LocalError
from local.layout import Layout

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")


def lives(pid: int) -> bool:
    """Whether a process runs. One that ended and was not waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.fixture(autouse=True)
def groups(tmp_path: Path, cluster: Layout, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hierarchy of folders. Unlike the kernel's it does not forget processes that ended, so that is done here."""
    root = tmp_path / "cgroup"
    root.mkdir()
    read = cgroups._pids
    monkeypatch.setattr(cgroups, "hierarchies", lambda: [root])
    monkeypatch.setattr(cgroups, "_pids", lambda folder: [pid for pid in read(folder) if lives(pid)])
    monkeypatch.setattr(daemons, "POLL_INTERVAL", 0.002)
    monkeypatch.setattr(cgroups, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: time.sleep(0.002)))
    yield root
    cgroups.kill(cluster.cgroup)


def script(text: str, tmp_path: Path, name: str = "daemon") -> Daemon:
    """A daemon that serves as soon as its script has come to READY."""
    serving = tmp_path / f"{name}.pid"

    def ready() -> bool:
        pid = serving.read_text().strip() if serving.exists() else ""
        return bool(pid) and lives(int(pid))

    return Daemon(name, ("sh", "-c", text.replace("READY", f"echo $$ > '{serving}'")), ready=ready)


@pytest.fixture
def sleeper(tmp_path: Path) -> Daemon:
    return script("READY; exec sleep 60", tmp_path)


def process_of(cluster: Layout, daemon: Daemon) -> int:
    pid = main_process(cluster, daemon.name)
    assert pid is not None
    return pid


def test_a_daemon_is_started_and_serves(cluster: Layout, sleeper: Daemon) -> None:
    ensure(cluster, sleeper)

    assert sleeper.ready()
    assert lives(process_of(cluster, sleeper))


def test_its_process_is_the_program_itself(cluster: Layout) -> None:
    """No shell in between, which would keep signals from it."""
    daemon = Daemon("daemon", ("sleep", "60"), ready=lambda: main_process(cluster, "daemon") is not None)

    ensure(cluster, daemon)

    # The shell enters the group some time before it becomes the program.
    command = Path(f"/proc/{process_of(cluster, daemon)}/cmdline")
    deadline = time.monotonic() + 5
    while (words := command.read_text().split("\0")[:-1]) != ["sleep", "60"]:
        assert time.monotonic() < deadline, words
        time.sleep(0.01)


def test_one_that_is_to_be_started_anew_is_until_it_is_stopped(
    cluster: Layout, sleeper: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "RESTART_INTERVAL", 0.01)
    ensure(cluster, replace(sleeper, restarts=True))
    serving = tmp_path / "daemon.pid"
    before = int(serving.read_text())

    os.kill(before, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while not sleeper.ready() or int(serving.read_text()) == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    stop(cluster, sleeper.name)
    os.kill(int(serving.read_text()), signal.SIGKILL)  # a real control group has the shell's children, too

    assert main_process(cluster, sleeper.name) is None
    assert "ended with exit code 137" in log_file(cluster, "daemon").read_text()


def test_it_outlives_who_started_it(cluster: Layout, sleeper: Daemon) -> None:
    ensure(cluster, sleeper)

    pid = process_of(cluster, sleeper)
    assert os.getsid(pid) == pid


def test_what_it_prints_goes_into_its_log(cluster: Layout, tmp_path: Path) -> None:
    ensure(cluster, script("echo out; echo err >&2; READY; exec sleep 60", tmp_path))

    assert log_file(cluster, "daemon").read_text() == "out\nerr\n"


def test_its_log_is_continued_when_it_is_started_again(cluster: Layout, tmp_path: Path) -> None:
    daemon = script("echo started; READY; exec sleep 60", tmp_path)
    for _ in range(2):
        ensure(cluster, daemon)
        stop(cluster, daemon.name)

    assert log_file(cluster, "daemon").read_text() == "started\nstarted\n"


def test_of_the_environment_it_gets_what_it_names_only(
    cluster: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "of the user")
    daemon = script('echo "$GREETING,$SECRET"; READY; exec sleep 60', tmp_path)

    ensure(cluster, replace(daemon, environment={"GREETING": "hello"}))

    assert log_file(cluster, "daemon").read_text() == "hello,\n"


# What runs as it should is left alone.


def test_a_daemon_that_runs_is_left_alone(cluster: Layout, sleeper: Daemon) -> None:
    ensure(cluster, sleeper)
    pid = process_of(cluster, sleeper)

    ensure(cluster, sleeper)

    assert process_of(cluster, sleeper) == pid


@pytest.mark.parametrize(
    "change",
    [
        lambda daemon: replace(daemon, command=(*daemon.command, "--more")),
        lambda daemon: replace(daemon, environment={"GREETING": "hello"}),
        lambda daemon: replace(daemon, configuration="a: 1"),
    ],
    ids=["command", "environment", "configuration"],
)
def test_a_daemon_that_is_to_run_otherwise_is_started_anew(
    cluster: Layout, sleeper: Daemon, change: Callable[[Daemon], Daemon]
) -> None:
    ensure(cluster, sleeper)
    before = process_of(cluster, sleeper)

    ensure(cluster, change(sleeper))

    assert process_of(cluster, sleeper) != before
    assert not lives(before)


def test_a_daemon_that_ended_is_started_again(cluster: Layout, sleeper: Daemon) -> None:
    ensure(cluster, sleeper)
    stop(cluster, sleeper.name)
    assert main_process(cluster, sleeper.name) is None

    ensure(cluster, sleeper)

    assert lives(process_of(cluster, sleeper))


def test_a_record_that_was_not_written_to_the_end_is_no_record(cluster: Layout, sleeper: Daemon) -> None:
    ensure(cluster, sleeper)
    before = process_of(cluster, sleeper)
    (cluster.run / "daemons" / "daemon.json").write_text('{"pid": 1')

    ensure(cluster, sleeper)

    assert process_of(cluster, sleeper) != before
    assert not lives(before)


def test_a_process_of_the_same_number_elsewhere_is_not_the_daemon(
    cluster: Layout, sleeper: Daemon, groups: Path
) -> None:
    ensure(cluster, sleeper)
    pid = process_of(cluster, sleeper)
    (groups / daemons.group(cluster, "daemon") / "cgroup.procs").write_text("")

    try:
        assert main_process(cluster, "daemon") is None
    finally:
        (groups / daemons.group(cluster, "daemon") / "cgroup.procs").write_text(str(pid))  # to be ended


# What does not serve is told.


def test_a_daemon_that_ends_while_it_starts_is_told_with_its_log(
    cluster: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(step=0.01)  # a minute is many looks at it
    monkeypatch.setattr(daemons, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=time.sleep))

    with pytest.raises(LocalError) as error:
        ensure(cluster, script("exit 1", tmp_path))

    assert str(error.value) == f"daemon ended while it started; its log: {log_file(cluster, 'daemon')}"


def test_a_daemon_that_does_not_serve_is_told_with_its_log(
    cluster: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "START_TIMEOUT", 0.1)

    with pytest.raises(LocalError) as error:
        ensure(cluster, script("exec sleep 60", tmp_path))

    assert str(error.value) == f"daemon does not serve after 0 s; its log: {log_file(cluster, 'daemon')}"


# Ending them.


def test_a_daemon_is_asked_to_leave(cluster: Layout, tmp_path: Path) -> None:
    ensure(cluster, script("trap 'echo bye; exit' TERM; READY; while :; do sleep 0.01; done", tmp_path))

    stop(cluster, "daemon")

    assert log_file(cluster, "daemon").read_text() == "bye\n"


def test_one_that_does_not_leave_is_ended(cluster: Layout, tmp_path: Path) -> None:
    daemon = script("trap '' TERM; READY; while :; do sleep 0.01; done", tmp_path)
    ensure(cluster, daemon)
    pid = process_of(cluster, daemon)

    stop(cluster, "daemon", grace=0.1)

    assert not lives(pid)


def test_only_the_named_daemon_is_stopped(cluster: Layout, tmp_path: Path) -> None:
    first, second = (script("READY; exec sleep 60", tmp_path, name) for name in ("first", "second"))
    ensure(cluster, first)
    ensure(cluster, second)

    stop(cluster, "first")

    assert main_process(cluster, "first") is None
    assert lives(process_of(cluster, second))


def test_a_daemon_that_never_ran_is_stopped_already(cluster: Layout) -> None:
    stop(cluster, "daemon")


def test_daemons_are_listed_in_the_order_of_their_start(cluster: Layout) -> None:
    folder = cluster.run / "daemons"
    folder.mkdir(parents=True)
    for second, name in enumerate(["etcd", "api-server", "kubelet"]):
        (folder / f"{name}.json").touch()
        os.utime(folder / f"{name}.json", (second, second))

    assert recorded(cluster) == ["etcd", "api-server", "kubelet"]
