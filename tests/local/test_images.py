from pathlib import Path

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
