import re
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from local.nfs import connection
from local.nfs.mount_options import MountError, parse
from tests.local.nfs.fake_server import FakeServer

MOUNT = parse("server:/export", "/mnt", ["soft", "ro"])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    fake = FakeServer()
    monkeypatch.setattr(connection, "_connection", lambda _mount, _path: fake.connection())
    return fake


@pytest.fixture
def fuse(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What FUSE was given, in the place of the library, which a machine gets with its first cluster only."""
    given: list[dict[str, Any]] = []

    def run(filesystem: object, target: str, **options: object) -> None:
        given.append({"filesystem": filesystem, "target": target, **options})

    monkeypatch.setitem(sys.modules, "mfusepy", SimpleNamespace(FUSE=run, fuse_get_context=lambda: (1, 2, 3)))
    return given


@pytest.fixture
def fuse_mount(fuse: list[dict[str, Any]]) -> Iterator[ModuleType]:
    assert not fuse
    yield import_module("local.nfs.fuse_mount")
    sys.modules.pop("local.nfs.fuse_mount")


def test_it_is_shown_at_the_target_under_its_name(
    server: FakeServer, fuse_mount: ModuleType, fuse: list[dict[str, Any]]
) -> None:
    fuse_mount.serve(MOUNT, lambda: None)

    [given] = fuse
    assert (given["target"], given["fsname"], given["subtype"]) == ("/mnt", "server:/export", "nfs")
    assert given["allow_other"]
    assert given["default_permissions"]
    assert given["ro"]
    assert given["filesystem"].getattr("/")["st_uid"] == 65532
    assert server.asked


def test_a_folder_that_the_server_has_not_is_named(server: FakeServer, fuse_mount: ModuleType) -> None:
    server.folders.clear()

    with pytest.raises(MountError, match="server:/export: No such file or directory"):
        fuse_mount.serve(MOUNT, lambda: None)


def test_a_file_can_not_be_mounted(server: FakeServer, fuse_mount: ModuleType) -> None:
    server.folders.clear()
    server.files["export"] = b""

    with pytest.raises(MountError, match="server:/export: no folder, but a file"):
        fuse_mount.serve(MOUNT, lambda: None)


def test_a_server_that_does_not_answer_is_named(server: FakeServer, fuse_mount: ModuleType) -> None:
    server.away = True

    with pytest.raises(MountError, match=re.escape("server port 2049 does not serve NFS 4.1: [Errno 111] refused")):
        fuse_mount.serve(MOUNT, lambda: None)
