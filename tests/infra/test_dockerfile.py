"""The Dockerfile and what it builds from."""

import re

import pytest
from docker.utils.build import exclude_paths

from ha_counter.delivery import Target
from tests.infra.stack_config import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COPIED = re.findall(r"^COPY (?!--from)(?:--\S+ )*(\S+) \S+$", DOCKERFILE, re.MULTILINE)


@pytest.fixture(scope="module")
def context() -> list[str]:
    """The files that a build gets to see."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    return sorted(name for name in exclude_paths(str(ROOT), patterns) if (ROOT / name).is_file())


def test_every_image_has_its_target() -> None:
    stages = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)

    assert {target.value for target in Target} <= set(stages)


@pytest.mark.parametrize("source", COPIED)
def test_all_files_of_what_is_copied_get_into_the_build(source: str, context: list[str]) -> None:
    place = ROOT / source
    # What requirements.txt is made from is of no use there.
    others = ("", ".pyc", ".in")
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.suffix not in others]

    assert files
    assert {str(file.relative_to(ROOT)) for file in files} <= set(context)


def test_nothing_else_does(context: list[str]) -> None:
    others = [name for name in context if not any(name.startswith(source) for source in COPIED)]

    assert others == [".dockerignore", "Dockerfile"]
