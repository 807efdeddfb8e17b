import os
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest

from local import images
from local.errors import LocalError
from local.images import BaseImage, base_images, dockerfile_image


@pytest.mark.parametrize(
    ("name", "repository", "tag"),
    [
        ("python:3.13-slim", "library/python", "3.13-slim"),
        ("grafana/grafana:12", "grafana/grafana", "12"),
        ("docker.io/library/python:3.13", "library/python", "3.13"),
        ("registry.k8s.io/pause:3.10", "pause", "3.10"),
        ("registry.k8s.io/coredns/coredns:v1.12.0", "coredns/coredns", "v1.12.0"),
        ("localhost/web:dev", "web", "dev"),
        ("localhost:5001/team/web:dev", "team/web", "dev"),
        ("registry:5000/web:dev", "web", "dev"),
    ],
)
def test_a_mirror_keeps_an_image_by_its_path(name: str, repository: str, tag: str) -> None:
    assert images._in_registry(name) == (repository, tag)


@pytest.fixture
def dockerfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "Dockerfile"
    monkeypatch.setattr(images, "DOCKERFILE", file)
    return file


def test_the_dockerfile_says_which_image_it_builds_on(dockerfile: Path) -> None:
    dockerfile.write_text("# ARG ETCD_IMAGE=comment\nARG MY_ETCD_IMAGE=other\nARG ETCD_IMAGE=etcd:3.6\nFROM scratch\n")

    assert dockerfile_image("ETCD_IMAGE") == "etcd:3.6"


def test_an_argument_without_an_image_is_told(dockerfile: Path) -> None:
    dockerfile.write_text("ARG ETCD_IMAGE\n")

    with pytest.raises(LocalError, match="no line `ARG ETCD_IMAGE="):
        dockerfile_image("ETCD_IMAGE")


def test_everything_that_the_dockerfile_builds_on_is_made_here() -> None:
    """Of the real Dockerfile: a cluster without the world outside pulls nothing else."""
    text = images.DOCKERFILE.read_text()
    arguments = [line.split()[1].partition("=")[0] for line in text.splitlines() if line.startswith("ARG ")]
    made = {image.name for image in base_images(Path("binaries"))}

    assert {dockerfile_image(argument) for argument in arguments if argument.endswith("_IMAGE")} <= made


def test_an_image_of_other_files_is_another() -> None:
    def made_from(folder: str) -> str:
        return BaseImage("pause", (), {"pause": Path(folder, "pause")}).made_from

    assert made_from("/cache/binaries-1") != made_from("/cache/binaries-2")
    assert made_from("/cache/binaries-1") == made_from("/another/cache/binaries-1")


@pytest.mark.parametrize("base", ["scratch", "localhost:5001/ha-counter-counter@sha256:1"])
def test_an_image_may_be_made_on_top_of_another(base: str, tmp_path: Path) -> None:
    recipes = []

    def build(*, fileobj: IO[bytes], **_: object) -> None:
        with tarfile.open(fileobj=fileobj) as context:
            recipe = context.extractfile("Dockerfile")
            assert recipe is not None
            recipes.append(recipe.read().decode().splitlines())

    (tmp_path / "program").touch()
    image = BaseImage("program:1", ("COPY program /",), {"program": tmp_path / "program"}, base=base)

    images._build(SimpleNamespace(images=SimpleNamespace(build=build)), image)  # type: ignore[arg-type]

    assert [recipe[:2] for recipe in recipes] == [[f"FROM {base}", "COPY program /"]]


# The Python base image's file system.


@pytest.fixture
def debootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the place of `unshare`, by which debootstrap is run: it makes a small Debian."""
    program = tmp_path / "bin" / "unshare"
    program.parent.mkdir()
    program.write_text(
        """#!/bin/sh
        for root; do :; done
        mkdir -p "$root/usr/local/bin" "$root/etc/ssl/certs" "$root/var/cache/apt/archives" "$root/var/lib/apt/lists"
        eval "$THEN"
        """
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)


@pytest.mark.usefixtures("debootstrap")
def test_the_python_root_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images.build_python_root(tmp_path / "log")
    monkeypatch.setenv("THEN", "exit 1")
    images.build_python_root(tmp_path / "log")

    with tarfile.open(images.python_root()) as tar:
        assert "./usr/local/bin/python" in tar.getnames()
    assert list(images.python_root().parent.iterdir()) == [images.python_root()]


@pytest.mark.usefixtures("debootstrap")
def test_a_python_root_that_failed_names_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEN", "echo E: no release file; exit 1")

    with pytest.raises(LocalError, match=rf"\(all of it: {tmp_path}/log\):\nE: no release file"):
        images.build_python_root(tmp_path / "log")

    assert list(images.python_root().parent.iterdir()) == []


@pytest.mark.usefixtures("debootstrap")
def test_a_python_root_whose_making_was_killed_is_made_anew(tmp_path: Path) -> None:
    build = f"from pathlib import Path; from local import images; images.build_python_root(Path('{tmp_path}/log'))"
    done = subprocess.run([sys.executable, "-c", build], env={**os.environ, "THEN": "kill -9 $PPID"})
    assert done.returncode == -9
    assert not images.python_root().exists()

    images.build_python_root(tmp_path / "log")

    assert list(images.python_root().parent.iterdir()) == [images.python_root()]
