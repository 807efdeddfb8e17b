import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from local.errors import LocalError
from local.go_module import GoModule, build, folder

GO_MOD = "module example\n\nrequire example.org/thing v1.34.4\n"


@pytest.fixture
def module(tmp_path: Path) -> GoModule:
    """A Go module with one program."""
    source = tmp_path / "source"
    (source / "pause").mkdir(parents=True)
    (source / "go.mod").write_text(GO_MOD)
    (source / "go.sum").write_text("sums")
    (source / "pause" / "main.go").write_text("package main")
    return GoModule("programs", source, ("./pause",))


def change_program(source: Path) -> None:
    (source / "pause" / "main.go").write_text("package main // changed")


def rename_program(source: Path) -> None:
    (source / "pause").rename(source / "break")


def add_program(source: Path) -> None:
    (source / "more.go").touch()


def change_versions(source: Path) -> None:
    (source / "go.mod").write_text(GO_MOD.replace("v1.34.4", "v1.34.5"))


def change_sums(source: Path) -> None:
    (source / "go.sum").write_text("other sums")


def add_notes(source: Path) -> None:
    (source / "README.md").write_text("notes")


def touch(source: Path) -> None:
    os.utime(source / "pause" / "main.go", (0, 0))


@pytest.mark.parametrize("change", [change_program, rename_program, add_program, change_versions, change_sums])
def test_what_is_built_from_other_files_goes_to_another_folder(
    module: GoModule, change: Callable[[Path], None]
) -> None:
    before = folder(module)

    change(module.source)

    assert folder(module) != before


@pytest.mark.parametrize("change", [add_notes, touch])
def test_what_is_built_from_the_same_files_stays_in_its_folder(
    module: GoModule, change: Callable[[Path], None]
) -> None:
    before = folder(module)

    change(module.source)

    assert folder(module) == before


def test_the_folder_is_the_same_wherever_the_checkout_is(module: GoModule, tmp_path: Path) -> None:
    before = folder(module)

    moved = GoModule(module.name, module.source.rename(tmp_path / "moved"), module.programs)

    assert folder(moved) == before


def test_what_is_built_already_is_not_built_again(module: GoModule, tmp_path: Path) -> None:
    folder(module).mkdir(parents=True)

    def progress(state: str) -> None:
        raise AssertionError(state)

    assert build(module, tmp_path / "build.log", progress) == folder(module)


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of `go`, first on PATH, that builds one program."""
    program = tmp_path / "bin" / "go"
    program.parent.mkdir()
    program.write_text(
        """#!/bin/sh
        case $1 in
        version) echo go1.26 ;;
        build) for word; do case $word in -o=*) touch "${word#-o=}pause" ;; esac; done; eval "$THEN" ;;
        esac
        """
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return program


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


@pytest.mark.usefixtures("go")
def test_what_is_built_is_there_under_all_its_names(module: GoModule, tmp_path: Path) -> None:
    linked = replace(module, links={"break": "pause", "rest": "pause"})

    built = build(linked, tmp_path / "build.log", lambda _: None)

    assert built == folder(linked)
    assert names(built) == {"pause", "break", "rest"}
    assert names(built.parent) == {built.name}
    assert (built / "rest").resolve() == built / "pause"


@pytest.mark.usefixtures("go")
def test_a_build_that_fails_leaves_nothing(module: GoModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEN", "exit 1")

    with pytest.raises(LocalError, match=r"failed with exit code 1; its log: .*build\.log"):
        build(module, tmp_path / "build.log", lambda _: None)

    assert names(folder(module).parent) == set()


BUILD = """
import sys
from pathlib import Path
from local.go_module import GoModule, build
build(GoModule("programs", Path(sys.argv[1]), ("./pause",)), Path(sys.argv[2]), lambda _: None)
"""


@pytest.mark.usefixtures("go")
def test_a_build_that_was_killed_is_made_anew(module: GoModule, tmp_path: Path) -> None:
    """It is killed by its own compiler, when the program is there."""
    command = [sys.executable, "-c", BUILD, str(module.source), str(tmp_path / "build.log")]
    done = subprocess.run(command, env={**os.environ, "THEN": "kill -9 $PPID"})
    assert done.returncode == -9
    assert not folder(module).exists()
    assert names(folder(module).parent) != set()

    build(module, tmp_path / "build.log", lambda _: None)

    assert names(folder(module)) == {"pause"}
    assert names(folder(module).parent) == {folder(module).name}
