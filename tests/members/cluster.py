"""Real etcd members, each a process on 127.0.0.1, that can be killed, paused and started again."""

import itertools
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed
from etcd3 import etcdrpc  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed

from etcd.endpoints import Endpoint

# Seconds for which anything is waited for before a test fails: far more than it takes.
PATIENCE = 60.0

# Below the ports that the system gives to outgoing connections: one of those could take a member's port while it is
# down.
_PORTS = range(20000, 30000)

# What the deployed members run with (app/member/command.py). Heartbeats and elections are etcd's own: 0.1 s and 1 s.
_OPTIONS = ("--feature-gates=InitialCorruptCheck=true", "--auto-compaction-mode=periodic")


@dataclass
class Member:
    """One member: its folder and ports stay the same when it is started again."""

    name: str
    folder: Path
    client_port: int
    peer_port: int
    process: subprocess.Popen[bytes] | None = None
    command: list[str] = field(default_factory=list)
    host: str = "127.0.0.1"

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.host, self.client_port)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def peer_url(self) -> str:
        return f"http://127.0.0.1:{self.peer_port}"

    def start(self) -> None:
        assert self.process is None, f"{self.name} runs already"
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        """End it with -9, paused or not."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def status(self, timeout: float = 1.0) -> etcdrpc.StatusResponse | None:
        """What it says of itself, or None if it does not answer."""
        with grpc.insecure_channel(f"{self.host}:{self.client_port}", [("grpc.enable_http_proxy", 0)]) as channel:
            try:
                return etcdrpc.MaintenanceStub(channel).Status(etcdrpc.StatusRequest(), timeout=timeout)
            except grpc.RpcError:
                return None

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None, f"{self.name} does not run"
        self.process.send_signal(number)


class Cluster:
    """Three members, or as many as there are after `add_learner`."""

    def __init__(self, folder: Path, binaries: Path, options: Sequence[str] = ()) -> None:
        self._folder = folder
        self._binaries = binaries
        self._options = options
        ports = _unused_ports()
        self.members = [Member(f"m{n}", folder / f"m{n}", next(ports), next(ports)) for n in range(3)]
        for member in self.members:
            member.folder.mkdir()
            member.command = self._command(member, self.members, "new", "first")

    @property
    def endpoints(self) -> list[Endpoint]:
        return [member.endpoint for member in self.members]

    def start(self) -> None:
        """Start all that don't run, and wait until the members agree on a leader."""
        for member in self.members:
            if member.process is None:
                member.start()
        self.wait_until_whole()

    def close(self) -> None:
        for member in self.members:
            member.kill()

    def wait_until_whole(self) -> None:
        """Until all members answer and know the same leader."""
        wait_until(lambda: len(self._leaders()) == 1 and 0 not in self._leaders(), "the members agree on a leader")

    def leader(self) -> Member:
        """The member that leads, once there is one."""
        found: list[Member] = []

        def look() -> bool:
            statuses = [(member, member.status()) for member in self.members if member.process]
            found[:] = [member for member, status in statuses if status and status.leader == status.header.member_id]
            return len(found) == 1

        wait_until(look, "there is one leader")
        return found[0]

    def member_with_id(self, number: int) -> Member:
        """The member that has this ID."""
        for member in self.members:
            status = member.status()
            if status and status.header.member_id == number:
                return member
        raise AssertionError(f"no member says that its ID is {number}")

    def add_learner(self) -> Member:
        """Start a member more, that has no vote and serves no client."""
        ports = _unused_ports()
        member = Member("learner", self._folder / "learner", next(ports), next(ports))
        member.folder.mkdir()
        self.control("member", "add", "learner", "--learner", f"--peer-urls={member.peer_url}")
        self.members.append(member)
        member.command = self._command(member, self.members, "existing", "first")
        member.start()
        wait_until(lambda: (status := member.status()) is not None and status.leader != 0, "the learner has joined")
        return member

    def control(self, *arguments: str) -> str:
        """Run etcdctl against the members that run, and return what it prints."""
        endpoints = ",".join(f"127.0.0.1:{member.client_port}" for member in self.members if member.process)
        return _run(self._binaries / "etcdctl", f"--endpoints={endpoints}", *arguments)

    def revision(self) -> int:
        """The newest revision that a member knows."""
        return max(int(status.header.revision) for member in self.members if (status := member.status()))

    def save_snapshot(self) -> Path:
        file = self._folder / "snapshot"
        _run(
            self._binaries / "etcdctl",
            f"--endpoints=127.0.0.1:{self.members[0].client_port}",
            "snapshot",
            "save",
            str(file),
        )
        return file

    def restore(self, snapshot: Path, bump: int = 1_000_000, token: str = "restored") -> None:
        """Let all members, none of which runs, begin with the snapshot's data, as another cluster."""
        for member in self.members:
            shutil.rmtree(member.data)
            _run(
                self._binaries / "etcdutl",
                "snapshot",
                "restore",
                str(snapshot),
                f"--name={member.name}",
                f"--data-dir={member.data}",
                f"--initial-cluster={_peers(self.members)}",
                f"--initial-advertise-peer-urls={member.peer_url}",
                f"--initial-cluster-token={token}",
                f"--bump-revision={bump}",
                "--mark-compacted",
            )

    def begin_empty(self, token: str) -> None:
        """Let all members begin without data, as another cluster."""
        self.close()
        for member in self.members:
            shutil.rmtree(member.data)
            member.command = self._command(member, self.members, "new", token)
        self.start()

    def _leaders(self) -> set[int]:
        """Who leads, as the members say: one number, if they agree; 0 stands for nobody and for no answer."""
        return {status.leader if (status := member.status()) else 0 for member in self.members}

    def _command(self, member: Member, members: Sequence[Member], state: str, token: str) -> list[str]:
        return [
            # Ends with the tests, whatever ends them.
            "setpriv",
            "--pdeathsig=KILL",
            str(self._binaries / "etcd"),
            f"--name={member.name}",
            f"--data-dir={member.data}",
            f"--listen-client-urls=http://127.0.0.1:{member.client_port}",
            f"--advertise-client-urls=http://127.0.0.1:{member.client_port}",
            f"--listen-peer-urls={member.peer_url}",
            f"--initial-advertise-peer-urls={member.peer_url}",
            f"--initial-cluster={_peers(members)}",
            f"--initial-cluster-state={state}",
            f"--initial-cluster-token={token}",
            *_OPTIONS,
            *self._options,
        ]


def wait_until(holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Fail the test if it takes too long until this holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.02)


def _peers(members: Sequence[Member]) -> str:
    return ",".join(f"{member.name}={member.peer_url}" for member in members)


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}"
    return done.stdout


def unused_port() -> int:
    return next(_unused_ports())


def _unused_ports() -> itertools.chain[int]:
    return itertools.chain.from_iterable(_unused(port) for port in random.sample(_PORTS, k=len(_PORTS)))


def _unused(port: int) -> list[int]:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return []
    return [port]
