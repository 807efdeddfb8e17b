"""A deployment without Kubernetes: launchers, etcds, backup and a controller as they are, each member on a network of
its own, and what Kubernetes does played by a few lines. Run it where nothing else is disturbed (see `isolated`):

    unshare --mount --net --pid --fork --kill-child --mount-proc python -m tests.members.healing ...
"""

import itertools
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from waitress import create_server  # type: ignore[import-untyped]  # waitress ships no types

from controller.actions import DeleteClaim, DeletePod, ScalePods
from controller.api import create_app
from controller.backup_service import BackupService
from controller.controller import Controller
from controller.decision import Decided
from controller.facts import Claim, Scale
from controller.hearing import Hearing
from controller.members import Members
from controller.metrics import Metrics
from controller.record import Record
from controller.surroundings import Objects, Written
from member.starting import Answer, Report

MOST_MEMBERS = 5

_BRIDGE = "br0"
_HOST = "10.99.0.1"
_CONTROLLER_PORT = 8080
_BACKUP_PORT = 8081
_BACKUP_URL = f"http://backup:{_BACKUP_PORT}"
_RESTART_DELAY = 0.5
_SERVER_TIMEOUT = 5.0
_APP = Path(__file__).parents[2] / "app"


def isolate(programs: Path, folder: Path) -> None:
    """Make this process's own mounts and network ready: names for members, a network for each, etcd's programs."""
    _run("mount", "--make-rprivate", "/")
    _run("mount", "--bind", str(programs), "/usr/local/bin")
    Path("/run/netns").mkdir(exist_ok=True)
    _run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
    hosts = folder / "hosts"
    names = [f"{_address(member)} etcd{member}" for member in range(MOST_MEMBERS)]
    hosts.write_text("\n".join(["127.0.0.1 localhost", f"{_HOST} controller backup", *names, ""]))
    _run("mount", "--bind", str(hosts), "/etc/hosts")
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", _BRIDGE, "type", "bridge")
    _run("ip", "address", "add", f"{_HOST}/24", "dev", _BRIDGE)
    _run("ip", "link", "set", _BRIDGE, "up")
    for member in range(MOST_MEMBERS):
        _make_network(member)


@dataclass(eq=False)
class Pod:
    """What Kubernetes keeps running.

    Attributes:
        member: Its number.
        uid: Which pod of its name it is.
        volume: The folder of its claim.
        process: What runs in it.
        dead: Its node is gone for good.
        leaving: It is being deleted.
    """

    member: int
    uid: str
    volume: Path
    process: subprocess.Popen[bytes] | None = None
    dead: bool = False
    leaving: bool = False
    ended_at: float = 0.0


@dataclass(eq=False)
class Volume:
    """A claim and its volume."""

    uid: str
    folder: Path
    leaving: bool = False


@dataclass(eq=False)
class FakeKubernetes:
    """The API server, the StatefulSet's controller and the kubelets. See `controller.surroundings.Kubernetes`."""

    folder: Path
    replicas: int
    members_wanted: int
    scale_version: int = 1
    record: Record = Record()  # noqa: RUF009 - frozen
    version: int = 1
    pods: dict[int, Pod] = field(default_factory=dict)
    volumes: dict[int, Volume] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # What the controller asks of it

    def wanted(self) -> int:
        return self.members_wanted

    def read(self) -> Written:
        with self.lock:
            return Written(self.record, str(self.version))

    def write(self, record: Record, version: str) -> bool:
        with self.lock:
            if version != str(self.version):
                return False
            self.record, self.version = record, self.version + 1
            return True

    def look(self, members: range) -> Objects:
        with self.lock:
            return Objects(
                pods={member: pod.uid for member, pod in self.pods.items() if member in members},
                claims={
                    member: Claim(volume.uid, leaving=volume.leaving)
                    for member, volume in self.volumes.items()
                    if member in members
                },
                scale=Scale(self.replicas, str(self.scale_version)),
            )

    def act(self, action: DeletePod | DeleteClaim | ScalePods) -> None:
        match action:
            case DeletePod():
                self._delete_pod(action)
            case DeleteClaim():
                with self.lock:
                    volume = self.volumes.get(action.member)
                    if volume is not None and volume.uid == action.uid:
                        volume.leaving = True
            case ScalePods():
                with self.lock:
                    if action.version == str(self.scale_version):
                        self.replicas, self.scale_version = action.replicas, self.scale_version + 1

    def _delete_pod(self, action: DeletePod) -> None:
        with self.lock:
            pod = self.pods.get(action.member)
            if pod is None or pod.uid != action.pod or (pod.dead and not action.force):
                return
        threading.Thread(target=self.remove, args=(action.member,), daemon=True).start()

    # What it does by itself

    def reconcile(self) -> None:
        """Have all pods there that are to be, and all containers running."""
        with self.lock:
            for member in [member for member in self.pods if member >= self.replicas]:
                threading.Thread(target=self.remove, args=(member,), daemon=True).start()
            for member in range(self.replicas):
                self._keep(member)
            for member in [member for member, volume in self.volumes.items() if volume.leaving]:
                if member not in self.pods:
                    self._remove_volume(member)

    def _keep(self, member: int) -> None:
        pod = self.pods.get(member)
        if pod is None:
            volume = self.volumes.get(member)
            if volume is None:
                folder = self.folder / f"volume-{member}-{next(self.numbers)}"
                folder.mkdir()
                volume = self.volumes[member] = Volume(f"claim-{next(self.numbers)}", folder)
            if volume.leaving:
                return
            pod = self.pods[member] = Pod(member, f"pod-{next(self.numbers)}", volume.folder)
        if pod.dead or pod.leaving:
            return
        if pod.process is not None and pod.process.poll() is not None:
            pod.process, pod.ended_at = None, time.monotonic()
        if pod.process is None and time.monotonic() - pod.ended_at > _RESTART_DELAY:
            pod.process = _start(pod, self.folder / f"etcd-{member}.log")

    # What tests do

    def remove(self, member: int, *, kill: bool = False) -> None:
        """End a pod: another comes in its place."""
        with self.lock:
            pod = self.pods.get(member)
            if pod is None or pod.leaving:
                return
            pod.leaving = True
        _end(pod, kill=kill)
        with self.lock:
            del self.pods[member]
            volume = self.volumes.get(member)
            if volume is not None and volume.leaving:
                self._remove_volume(member)

    def kill(self, member: int) -> None:
        """Kill what runs in a pod: Kubernetes starts it again."""
        with self.lock:
            _end(self.pods[member], kill=True)

    def lose_volume(self, member: int) -> None:
        """A pod and its volume are gone at once."""
        with self.lock:
            self.volumes[member].leaving = True
        self.remove(member, kill=True)

    def lose_node(self, member: int) -> None:
        """A node is gone with its volume, and Kubernetes does not know for how long."""
        with self.lock:
            pod = self.pods[member]
            _end(pod, kill=True)
            pod.dead = True
            shutil.rmtree(pod.volume)

    def _remove_volume(self, member: int) -> None:
        volume = self.volumes.pop(member)
        shutil.rmtree(volume.folder, ignore_errors=True)


class Deployment:
    """Members, a controller and backup."""

    def __init__(self, folder: Path, size: int = 3, *, has_backup: bool = True) -> None:
        self.folder = folder
        self.has_backup = has_backup
        self.kubernetes = FakeKubernetes(folder, size, size)
        self.hearing = Hearing()
        self._stop_kubernetes = threading.Event()
        self._stop_controller: threading.Event | None = None
        self._controller: threading.Thread | None = None
        self.backup: subprocess.Popen[bytes] | None = None
        self._server = create_server(
            create_app(_Door(self), Decided(), Metrics()),
            host="0.0.0.0",
            port=_CONTROLLER_PORT,
            threads=16,
            asyncore_use_poll=True,
        )
        self._server_thread = threading.Thread(target=self._server.run, daemon=True)
        self._server_thread.start()
        self._decided = Decided()
        self._kubernetes_thread = threading.Thread(target=self._play_kubernetes, daemon=True)
        self._kubernetes_thread.start()

    def start_backup(self) -> None:
        environment = {
            "ETCD_ENDPOINTS": ",".join(f"http://etcd{member}:2379" for member in range(3)),
            "MY_POD_NAME": "backup",
            "SNAPSHOTS_DIR": str(self.folder / "snapshots"),
            "SCRATCH_DIR": str(self.folder / "scratch"),
            "PORT": str(_BACKUP_PORT),
        }
        for name in ("snapshots", "scratch"):
            (self.folder / name).mkdir(exist_ok=True)
        self.backup = _python("backup", environment, self.folder / "backup.log")

    def stop_backup(self) -> None:
        if self.backup is not None:
            self.backup.kill()
            self.backup.wait()
            self.backup = None

    def start_controller(self) -> None:
        """Start one that knows nothing but what the record says."""
        self.hearing = Hearing()
        stopping = self._stop_controller = threading.Event()
        controller = Controller(
            f"controller-{secrets.token_hex(4)}",
            self.kubernetes,
            Members(),
            BackupService(_BACKUP_URL) if self.has_backup else None,
            self.hearing,
            Metrics(),
        )
        self._decided = controller.decided
        self._controller = threading.Thread(target=controller.run, args=(stopping,), daemon=True)
        self._controller.start()

    def stop_controller(self) -> None:
        if self._stop_controller is not None and self._controller is not None:
            self._stop_controller.set()
            self._controller.join()
            self.hearing.forget()
            self._stop_controller = self._controller = None

    def has_proven_snapshot(self) -> bool:
        """Whether backup has something that can be restored."""
        found = BackupService(_BACKUP_URL).look()
        return found is not None and found.chain is not None

    def says(self) -> str:
        """What the controller decided last."""
        decision = self._decided.decision
        return self._decided.trouble or (decision.says if decision is not None else "nothing yet")

    def close(self) -> None:
        """End all of it."""
        self._stop_kubernetes.set()
        self._kubernetes_thread.join()
        self.stop_controller()
        self.stop_backup()
        for member in list(self.kubernetes.pods):
            self.kubernetes.remove(member, kill=True)
        self._server.close()
        self._server_thread.join(_SERVER_TIMEOUT)

    @property
    def has_controller(self) -> bool:
        return self._controller is not None

    def _play_kubernetes(self) -> None:
        while not self._stop_kubernetes.wait(0.05):
            self.kubernetes.reconcile()


class _Door(Hearing):
    """Leads to the controller that there is."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__()
        self._deployment = deployment

    def ask(self, report: Report) -> Answer | None:
        return self._deployment.hearing.ask(report) if self._deployment.has_controller else None


def _start(pod: Pod, log: Path) -> subprocess.Popen[bytes]:
    environment = {
        "MY_POD_NAME": f"etcd-{pod.member}",
        "MY_POD_UID": pod.uid,
        "DATA_DIR": str(pod.volume / "data"),
        "CONTROLLER_URL": f"http://controller:{_CONTROLLER_PORT}",
        "BACKUP_URL": _BACKUP_URL,
    }
    words = ("nsenter", f"--net=/run/netns/m{pod.member}", "unshare", "--pid", "--fork", "--kill-child")
    return _python("member", environment, log, words)


def _end(pod: Pod, *, kill: bool) -> None:
    process = pod.process
    if process is None:
        return
    # The first process of the pod's own, which the others end with.
    child = _child_of(process.pid)
    if child is not None and not kill:
        os.kill(child, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
    else:
        process.kill()
    process.wait()
    pod.process, pod.ended_at = None, time.monotonic()


def _child_of(pid: int) -> int | None:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(found[0]) if found else None


def _python(
    module: str, environment: dict[str, str], log: Path, words: tuple[str, ...] = ()
) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(
            [*words, sys.executable, "-u", "-m", module],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_APP), **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )


def _make_network(member: int) -> None:
    inside = ("ip", "-n", f"m{member}")
    _run("ip", "netns", "add", f"m{member}")
    _run("ip", "link", "add", f"v{member}", "type", "veth", "peer", "name", "eth0", "netns", f"m{member}")
    _run("ip", "link", "set", f"v{member}", "master", _BRIDGE, "up")
    _run(*inside, "link", "set", "lo", "up")
    _run(*inside, "address", "add", f"{_address(member)}/24", "dev", "eth0")
    _run(*inside, "link", "set", "eth0", "up")


def _address(member: int) -> str:
    return f"10.99.0.{10 + member}"


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


@contextmanager
def deployed(folder: Path, size: int = 3, *, has_backup: bool = True) -> Iterator[Deployment]:
    """A deployment that has just been made."""
    deployment = Deployment(folder, size, has_backup=has_backup)
    if has_backup:
        deployment.start_backup()
    deployment.start_controller()
    try:
        yield deployment
    finally:
        deployment.close()
