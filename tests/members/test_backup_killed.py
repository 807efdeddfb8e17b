"""Backup as a process, killed with -9 at random moments: whatever it lists restores, and nothing is left behind."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from backup.client import Client, RequestError
from backup.manifest import Manifest
from etcd.endpoints import Endpoint
from tests.members.backing_up import Writer, started_from
from tests.members.cluster import unused_port, wait_until
from tests.members.conftest import StartCluster

# KILLS=50 takes four minutes.
_KILLS = int(os.environ.get("KILLS", "10"))

# Seconds in which it is killed after its start, of which it needs one to be there.
_LIVES = (0.5, 6.0)

_LEFTOVERS_AFTER = 3

_APP = Path(__file__).parents[2] / "app"

# As `python -m backup`, but with less patience.
_PROGRAM = f"""
import sys
from backup import retention, service, vault
from backup.__main__ import main
retention.FREE_SHARE = 10**9  # however full this machine is
vault.LEFTOVERS_AFTER = {_LEFTOVERS_AFTER}
service.RETENTION_INTERVAL = 1.0
service.WORK_INTERVAL = 0.3
sys.exit(main())
"""


@pytest.mark.usefixtures("programs_on_path")
def test_killed_at_any_moment(start_cluster: StartCluster, tmp_path: Path) -> None:
    (volume := tmp_path / "volume").mkdir()
    (scratch := tmp_path / "scratch").mkdir()
    port = unused_port()
    client = Client(port)
    cluster = start_cluster()
    with closing(Writer(cluster.endpoints)) as writer:
        for _ in range(_KILLS):
            with asking(client), running(cluster.endpoints, tmp_path, port):
                time.sleep(random.uniform(*_LIVES))
        with running(cluster.endpoints, tmp_path, port):
            told, began = writer.told, time.time()
            wait_until(lambda: newest(volume, began) is not None, "a snapshot is taken and proven")
            wait_until(lambda: log_count(client) >= told, "the log goes on")
            wait_until(lambda: not list(volume.glob("*.part")), "no part of a file is left")
            overview = client.overview()
            restored = make_restore_file(client)
            assert restored >= told
    wait_until(lambda: not processes_in(scratch), "no process of it is left")
    assert overview["passed_over"] == []
    assert overview["log"]["problem"] is None
    proofs = Counter(in_short(manifest) for manifest in manifests(volume))
    print(f"killed {_KILLS} times: {dict(proofs)}")
    assert all("broken" not in what and "do not make" not in what and "failed" not in what for what in proofs)
    assert proofs["made the same"]
    for manifest in manifests(volume):
        if manifest.proven:
            with started_from(volume / f"{manifest.name}.db", tmp_path / "tried") as etcd:
                assert etcd.member.count() == (manifest.count, manifest.revision)


@contextmanager
def asking(client: Client) -> Iterator[None]:
    """Meanwhile somebody asks for snapshots and restore files."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.2):
            with suppress(RequestError):
                client.take()
                client.begin_restore_file("latest")

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def running(endpoints: Sequence[Endpoint], folder: Path, port: int) -> Iterator[None]:
    """Backup runs in the block, and is killed at its end."""
    environment = os.environ | {
        "PYTHONPATH": str(_APP),
        "ETCD_ENDPOINTS": ",".join(f"http://{endpoint.host}:{endpoint.port}" for endpoint in endpoints),
        "MY_POD_NAME": "backup-1",
        "SNAPSHOTS_DIR": str(folder / "volume"),
        "SCRATCH_DIR": str(folder / "scratch"),
        "SNAPSHOT_INTERVAL": "1",
        "PORT": str(port),
    }
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-c", _PROGRAM], env=environment, stdout=log, stderr=log)
    try:
        yield
        assert process.poll() is None, f"it ended by itself: {(folder / 'log').read_text()[-2000:]}"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def newest(volume: Path, since: float) -> Manifest | None:
    """A snapshot that was taken and proven since."""
    found = [
        one for one in manifests(volume) if one.time.timestamp() > since and one.proven and one.reason != "restore"
    ]
    return found[-1] if found else None


def log_count(client: Client) -> int:
    """The count up to which the log is known to be complete after the newest snapshot that it follows."""
    try:
        followed = [found["log"] for found in client.overview()["snapshots"] if found["log"]]
    except RequestError:
        return -1
    return max((int(text.rpartition("(")[2].rstrip(")")) for text in followed), default=-1)


def make_restore_file(client: Client) -> int:
    """The count in a new restore file."""
    job = client.begin_restore_file("latest")
    wait_until(lambda: client.restore_job(job)["state"] != "making", "a restore file is made")
    found = client.restore_job(job)
    assert found["file"] is not None, found
    return int(found["file"]["count"])


def manifests(volume: Path) -> list[Manifest]:
    """The oldest first."""
    found = []
    for path in volume.glob("*-E*.json"):
        with suppress(FileNotFoundError):
            found.append(Manifest.from_json(path.read_text()))
    return sorted(found, key=lambda manifest: manifest.time)


def in_short(manifest: Manifest) -> str:
    if manifest.reason == "restore":
        return "restore file"
    if "make the same" in manifest.proof.detail and manifest.proven:
        return "made the same"
    return f"{manifest.proof.state}: {manifest.proof.detail.rpartition(';')[2]}"


def processes_in(folder: Path) -> list[str]:
    """The processes whose working directory is in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str((process / "cwd").readlink()).startswith(str(folder)):
                found.append(process.name)
    return found
