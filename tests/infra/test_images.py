import base64
import json
from typing import Any

import pytest

from tests.infra.program_run import IMAGE, SECRET, STASH, ProgramRun, run_program
from tests.infra.stack_config import ROOT, full_config

INFRA = ROOT / "infra"
TARGETS = ["counter", "etcd", "controller", "backup", "nfs"]
LOGIN = {"registryUser": "somebody", "registryPassword": "hunter2"}


def images_of_pods(run: ProgramRun) -> set[str]:
    return {container["image"] for pod in pods(run) for container in pod["containers"]}


def pods(run: ProgramRun) -> list[dict[str, Any]]:
    return [r.inputs["spec"]["template"]["spec"] for r in run.resources if "template" in r.inputs.get("spec", {})]


# Pushed, as by default.


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_is_built_from_the_repository_and_named_after_the_stack(run: ProgramRun, target: str) -> None:
    image = run.find(IMAGE, target).inputs

    assert image["imageName"] == f"registry.example.com/ha-counter-{target}:test"
    assert image["build"]["target"] == target
    assert not image["skipPush"]


@pytest.mark.parametrize("target", TARGETS)
def test_its_paths_are_relative_to_the_folder_that_the_program_runs_in(run: ProgramRun, target: str) -> None:
    build = run.find(IMAGE, target).inputs["build"]

    assert (INFRA / build["context"]).resolve() == ROOT
    assert (INFRA / build["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert not build["context"].startswith("/")


def test_the_machine_says_which_platform_to_build_for(run: ProgramRun) -> None:
    assert ["platform" in image.inputs["build"] for image in run.of_type(IMAGE)] == [False] * len(TARGETS)


@pytest.mark.parametrize("delivery", ["push", "load"])
def test_unless_the_config_does(delivery: str) -> None:
    run = run_program(full_config() | {"imageDelivery": delivery, "platform": "linux/arm64"})

    assert [image.inputs["build"]["platform"] for image in run.of_type(IMAGE)] == ["linux/arm64"] * len(TARGETS)


# With a login.


def test_without_a_login_there_is_no_secret(run: ProgramRun) -> None:
    assert run.of_type(SECRET) == []
    assert [pod for pod in pods(run) if "imagePullSecrets" in pod] == []


def test_a_login_pushes_and_pulls() -> None:
    run = run_program(full_config() | LOGIN)

    assert [image.inputs["registry"] for image in run.of_type(IMAGE)] == [
        {"server": "registry.example.com", "username": "somebody", "password": "hunter2"}
    ] * len(TARGETS)
    assert {secret.inputs["metadata"]["namespace"] for secret in run.of_type(SECRET)} == {
        "ha-counter",
        "ha-counter-nfs",
    }
    for secret in run.of_type(SECRET):
        assert secret.inputs["type"] == "kubernetes.io/dockerconfigjson"
        assert json.loads(base64.b64decode(secret.inputs["data"][".dockerconfigjson"])) == {
            "auths": {
                "registry.example.com": {
                    "username": "somebody",
                    "password": "hunter2",
                    "auth": base64.b64encode(b"somebody:hunter2").decode(),
                }
            }
        }


def test_pods_pull_with_the_login_by_the_name_that_the_cluster_gave_the_secret() -> None:
    run = run_program(full_config() | LOGIN)

    secrets = {resource.inputs["metadata"]["namespace"]: resource.name for resource in run.of_type(SECRET)}
    workloads = [resource for resource in run.resources if "template" in resource.inputs.get("spec", {})]
    assert len(workloads) == len(TARGETS)
    for workload in workloads:
        [named] = workload.inputs["spec"]["template"]["spec"]["imagePullSecrets"]
        assert named["name"] == f"{secrets[workload.inputs['metadata']['namespace']]}-0a1b2c"


def test_the_password_goes_nowhere_but_as_a_secret() -> None:
    run = run_program(full_config() | LOGIN)

    kept_in_the_open = [str(resource.visible) for resource in run.resources]
    [account] = {secret.inputs["data"][".dockerconfigjson"] for secret in run.of_type(SECRET)}
    for text in ("hunter2", account):
        assert [kept for kept in [*kept_in_the_open, str(run.outputs)] if text in kept] == []


# Loaded into the nodes.


@pytest.fixture(scope="module")
def loaded() -> ProgramRun:
    return run_program(full_config() | {"imageDelivery": "load", "registry": "", "context": "kind-try"})


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_loaded_is_built_but_not_pushed(loaded: ProgramRun, target: str) -> None:
    image = loaded.find(IMAGE, target).inputs

    assert image["imageName"] == f"ha-counter-{target}:test"
    assert image["skipPush"]


@pytest.mark.parametrize("target", TARGETS)
def test_it_gets_a_tag_that_changes_with_it(loaded: ProgramRun, target: str) -> None:
    image_id = f"sha256:{'0' * 64}"

    tag = loaded.find("docker:index/tag:Tag", target).inputs
    assert tag == {"sourceImage": image_id, "targetImage": f"ha-counter-{target}:{'0' * 16}"}


@pytest.mark.parametrize("target", TARGETS)
def test_the_stack_remembers_what_it_loaded(loaded: ProgramRun, target: str) -> None:
    in_nodes = loaded.find(STASH, f"{target}-in-nodes")

    assert in_nodes.inputs["input"] == f"ha-counter-{target}:{'0' * 16}"
    assert loaded.find("docker:index/tag:Tag", target).urn in in_nodes.dependencies


@pytest.mark.parametrize("target", TARGETS)
def test_it_is_loaded_before_that_is_written_down(loaded: ProgramRun, target: str) -> None:
    hooks = loaded.find(STASH, f"{target}-in-nodes").hooks

    assert hooks == {"before_create", "before_update"}


@pytest.mark.parametrize(
    ("workload", "target"),
    [
        ("counter-deployment", "counter"),
        ("etcd", "etcd"),
        ("etcd-controller", "controller"),
        ("etcd-backup", "backup"),
        ("nfs", "nfs"),
    ],
)
def test_pods_start_when_the_nodes_have_it(loaded: ProgramRun, workload: str, target: str) -> None:
    [registered] = [r for r in loaded.resources if r.name == workload and r.type.startswith("kubernetes:apps/")]

    [container] = registered.inputs["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"ha-counter-{target}:{'0' * 16}"
    assert loaded.find(STASH, f"{target}-in-nodes").urn in registered.dependencies


# Already there.


def test_existing_images_are_used_as_they_are() -> None:
    existing = {target: f"team/{target}:1.0" for target in TARGETS}
    config = {f"{target}Image": image for target, image in existing.items()}
    run = run_program(full_config() | config | {"imageDelivery": "existing", "registry": ""})

    assert run.of_type(IMAGE) == []
    assert images_of_pods(run) == {*existing.values()}
    assert run.outputs["images"] == existing


# What is not wanted.


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("with_export", {"counter", "etcd", "controller", "backup"}),
        ("with_claim", {"counter", "etcd", "controller", "backup"}),
        ("without_backup", {"counter", "etcd", "controller"}),
    ],
)
def test_nothing_is_built_that_nothing_runs(name: str, targets: set[str], request: pytest.FixtureRequest) -> None:
    run: ProgramRun = request.getfixturevalue(name)

    assert {image.name for image in run.of_type(IMAGE)} == targets
    assert run.outputs["images"].keys() == targets
