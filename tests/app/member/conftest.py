import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from member import command, settings
from member.settings import Member
from tests.app.member.answering import Answering

APP = Path(__file__).parents[3] / "app"

FILE = b"a snapshot" * 1000
SHA256 = hashlib.sha256(FILE).hexdigest()

GOOD = {"MY_POD_NAME": "etcd-1", "MY_POD_UID": "pod-1", "CONTROLLER_URL": "http://etcd-controller:8080"}


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering() as server:
        yield server


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def make_member(tmp_path: Path) -> Callable[..., Member]:
    """Makes a member whose data folder is below the test's own, which is not there yet."""

    def make(**variables: str) -> Member:
        return settings.from_environment(GOOD | {"DATA_DIR": str(tmp_path / "data")} | variables)

    return make


@pytest.fixture
def etcdutl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for etcdutl: makes a folder with a log that holds the file it was given."""
    program = tmp_path / "etcdutl"
    program.write_text(
        "#!/bin/sh\n"
        "for argument; do case $argument in --data-dir=*) folder=${argument#--data-dir=};; esac; done\n"
        'mkdir -p "$folder/member/wal" "$folder/member/snap" && cp "$3" "$folder/member/wal/0.wal"\n'
        f'echo "$@" > {tmp_path}/arguments\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(command, "ETCDUTL", str(program))
    return program


def keep_a_log(folder: Path, content: bytes = b"log") -> None:
    """Make `folder` one that etcd has used."""
    log = folder / "member" / "wal" / "0.wal"
    log.parent.mkdir(parents=True)
    log.write_bytes(content)


def environment(variables: dict[str, str]) -> dict[str, str]:
    """What a process of a member is started with."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(APP)} | variables
