import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local import binaries
from local.binaries import folder, module_version
from local.errors import LocalError

GO_MOD = """module toolchain

require (
	go.etcd.io/etcd/server/v3 v3.6.5
	k8s-io/kubernetes v7.7.7
	k8s.io/kubernetes v1.34.4
	k8s.io/kubernetes-extras v9.9.9 // indirect
)

replace k8s.io/kubernetes => ../fork v8.8.8
"""


@pytest.fixture(autouse=True)
def toolchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Go module with one program."""
    module = tmp_path / "toolchain"
    (module / "pause").mkdir(parents=True)
    (module / "go.mod").write_text(GO_MOD)
    (module / "go.sum").write_text("sums")
    (module / "pause" / "main.go").write_text("package main")
    monkeypatch.setattr(binaries, "MODULE", module)
    return module


def change_program(module: Path) -> None:
    (module / "pause" / "main.go").write_text("package main // changed")


def rename_program(module: Path) -> None:
    (module / "pause").rename(module / "break")


def add_program(module: Path) -> None:
    (module / "more.go").touch()


def change_versions(module: Path) -> None:
    (module / "go.mod").write_text(GO_MOD.replace("v1.34.4", "v1.34.5"))


def change_sums(module: Path) -> None:
    (module / "go.sum").write_text("other sums")


def add_notes(module: Path) -> None:
    (module / "README.md").write_text("notes")


def touch(module: Path) -> None:
    os.utime(module / "pause" / "main.go", (0, 0))


@pytest.mark.parametrize("change", [change_program, rename_program, add_program, change_versions, change_sums])
def test_what_is_built_from_other_files_goes_to_another_folder(toolchain: Path, change: Callable[[Path], None]) -> None:
    before = folder()

    change(toolchain)

    assert folder() != before


@pytest.mark.parametrize("change", [add_notes, touch])
def test_what_is_built_from_the_same_files_stays_in_its_folder(toolchain: Path, change: Callable[[Path], None]) -> None:
    before = folder()

    change(toolchain)

    assert folder() == before


def test_the_folder_is_the_same_wherever_the_checkout_is(
    toolchain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = folder()

    monkeypatch.setattr(binaries, "MODULE", toolchain.rename(tmp_path / "moved"))

    assert folder() == before


def test_what_is_built_already_is_not_built_again(tmp_path: Path) -> None:
    folder().mkdir(parents=True)

    def progress(state: str) -> None:
        raise AssertionError(state)

    assert binaries.build(tmp_path / "build.log", progress) == folder()


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of `go`, first on PATH, that builds one program."""
    program = tmp_path / "bin" / "go"
    program.parent.mkdir()
    program.write_text(
        """#!/bin/sh
        case $1 in
        version) echo go1.26 ;;
        build) for word; do case $word in -o=*) touch "${word#-o=}kubernetes" ;; esac; done; eval "$THEN" ;;
        esac
        """
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return program


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


@pytest.mark.usefixtures("go")
def test_what_is_built_is_there_under_all_its_names(tmp_path: Path) -> None:
    built = binaries.build(tmp_path / "build.log", lambda _: None)

    assert built == folder()
    assert names(built) == {"kubernetes", *binaries.KUBERNETES_NAMES}
    assert names(built.parent) == {built.name}


@pytest.mark.usefixtures("go")
def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEN", "exit 1")

    with pytest.raises(LocalError, match=r"failed with exit code 1; its log: .*build\.log"):
        binaries.build(tmp_path / "build.log", lambda _: None)

    assert names(folder().parent) == set()


BUILD = """
import sys
from pathlib import Path
from local import binaries
binaries.MODULE = Path(sys.argv[1])
binaries.build(Path(sys.argv[2]), lambda _: None)
"""


@pytest.mark.usefixtures("go")
def test_a_build_that_was_killed_is_made_anew(toolchain: Path, tmp_path: Path) -> None:
    """It is killed by its own compiler, when one of the programs is there."""
    command = [sys.executable, "-c", BUILD, str(toolchain), str(tmp_path / "build.log")]
    done = subprocess.run(command, env={**os.environ, "THEN": "kill -9 $PPID"})
    assert done.returncode == -9
    assert not folder().exists()
    assert names(folder().parent) != set()

    binaries.build(tmp_path / "build.log", lambda _: None)

    assert names(folder()) == {"kubernetes", *binaries.KUBERNETES_NAMES}
    assert names(folder().parent) == {folder().name}


@pytest.mark.parametrize(
    ("module", "version"),
    [
        ("k8s.io/kubernetes", "v1.34.4"),
        ("k8s.io/kubernetes-extras", "v9.9.9"),
        ("go.etcd.io/etcd/server/v3", "v3.6.5"),
    ],
)
def test_the_version_of_a_module_is_the_one_required(module: str, version: str) -> None:
    assert module_version(module) == version


@pytest.mark.parametrize("module", ["k8s.io/kubelet", "k8s_io/kubernetes", "kubernetes"])
def test_a_module_that_is_not_required_is_named(module: str) -> None:
    with pytest.raises(LocalError, match=f"no line that requires {module}"):
        module_version(module)
