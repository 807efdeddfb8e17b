import os
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
