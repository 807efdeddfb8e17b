import pytest

from tests.infra.program_run import IMAGE, ProgramRun
from tests.infra.stack_config import ROOT

INFRA = ROOT / "infra"


@pytest.mark.parametrize("target", ["counter", "etcd"])
def test_an_image_is_built_from_the_repository_and_named_after_the_stack(run: ProgramRun, target: str) -> None:
    image = run.find(IMAGE, target).inputs

    assert image["imageName"] == f"registry.example.com/ha-counter/{target}:test"
    assert image["build"]["target"] == target
    assert not image["skipPush"]


@pytest.mark.parametrize("target", ["counter", "etcd"])
def test_its_paths_are_relative_to_the_folder_that_the_program_runs_in(run: ProgramRun, target: str) -> None:
    build = run.find(IMAGE, target).inputs["build"]

    assert (INFRA / build["context"]).resolve() == ROOT
    assert (INFRA / build["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert not build["context"].startswith("/")


def test_the_machine_says_which_platform_to_build_for(run: ProgramRun) -> None:
    assert ["platform" in image.inputs["build"] for image in run.of_type(IMAGE)] == [False, False]
