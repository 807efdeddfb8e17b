import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError, BuildError, DockerException

from local import builder
from local.builder import Build, Login, ensure
from local.errors import LocalError
from tests.local.fake_docker import FakeDocker, FakeImage

REPOSITORY = "registry.example.com/web"


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """A context of two files, of which `ignored` is not seen by the engine."""
    context = tmp_path / "context"
    (context / "app").mkdir(parents=True)
    (context / "app" / "main.py").write_text("print('hello')")
    (context / "ignored").write_text("of no matter")
    (context / ".dockerignore").write_text("# comment\n\n*\n!app/*.py\n")
    (context / "Dockerfile").write_text("FROM scratch")
    return Build(f"{REPOSITORY}:test", context, context / "Dockerfile", target="web", push=True)


@pytest.fixture
def reports() -> list[str]:
    return []


def change_content(build: Build) -> None:
    (build.context / "app" / "main.py").write_text("print('hallo')")


def change_mode(build: Build) -> None:
    (build.context / "app" / "main.py").chmod(0o755)


def change_name(build: Build) -> None:
    (build.context / "app" / "main.py").rename(build.context / "app" / "other.py")


def add_file(build: Build) -> None:
    (build.context / "app" / "empty.py").touch()


def remove_file(build: Build) -> None:
    (build.context / "app" / "main.py").unlink()


def change_dockerfile(build: Build) -> None:
    build.dockerfile.write_text("FROM scratch\nUSER 1000")


def stop_ignoring(build: Build) -> None:
    (build.context / ".dockerignore").write_text("*\n!app/*.py\n!ignored\n")


CHANGES = [change_content, change_mode, change_name, add_file, remove_file, change_dockerfile, stop_ignoring]


def touch(build: Build) -> None:
    for file in (build.context / "app" / "main.py", build.dockerfile):
        os.utime(file, (0, 0))


def change_ignored_file(build: Build) -> None:
    (build.context / "ignored").write_text("still of no matter")


def add_ignored_file(build: Build) -> None:
    (build.context / "app" / "notes.txt").write_text("of no matter")


NO_CHANGES = [touch, change_ignored_file, add_ignored_file]


# What counts as a change.


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_built(build: Build, engine: FakeDocker, change: Callable[[Build], None]) -> None:
    ensure(build, lambda _: None)

    change(build)

    assert ensure(build, lambda _: None).changed
    assert len(engine.built) == 2


def test_another_target_is_built(build: Build, engine: FakeDocker) -> None:
    ensure(build, lambda _: None)

    assert ensure(replace(build, target="other"), lambda _: None).changed
    assert [made["target"] for made in engine.built] == ["web", "other"]


def test_another_platform_is_built(build: Build, engine: FakeDocker) -> None:
    ensure(build, lambda _: None)

    assert ensure(replace(build, platform="linux/arm64"), lambda _: None).changed
    assert [made["platform"] for made in engine.built] == [None, "linux/arm64"]


def test_a_registry_that_wants_a_login_gets_it(build: Build, engine: FakeDocker) -> None:
    engine.account = {"username": "me", "password": "secret"}

    assert ensure(replace(build, login=Login("me", "secret")), lambda _: None).reference.startswith(f"{REPOSITORY}@")
    with pytest.raises(LocalError, match="unauthorized"):
        ensure(build, lambda _: None)


@pytest.mark.parametrize("change", NO_CHANGES)
def test_what_the_engine_does_not_see_is_no_change(
    build: Build, engine: FakeDocker, change: Callable[[Build], None]
) -> None:
    ensure(build, lambda _: None)

    change(build)

    assert not ensure(build, lambda _: None).changed
    assert len(engine.built) == 1


def test_without_a_dockerignore_every_file_counts(build: Build, engine: FakeDocker) -> None:
    (build.context / ".dockerignore").unlink()
    ensure(build, lambda _: None)

    change_ignored_file(build)
    ensure(build, lambda _: None)

    assert len(engine.built) == 2


def test_a_dockerfile_outside_of_the_context_counts(build: Build, engine: FakeDocker, tmp_path: Path) -> None:
    outside = replace(build, dockerfile=tmp_path / "Dockerfile")
    outside.dockerfile.write_text("FROM scratch")
    ensure(outside, lambda _: None)

    change_dockerfile(outside)
    ensure(outside, lambda _: None)

    assert len(engine.built) == 2


FROM_BASE = "ARG BASE=base:1\nFROM --platform=linux/amd64 ${BASE} AS web\nARG BASE=other:1\nFROM web\n"


def test_another_base_image_of_the_same_name_is_built_on(build: Build, engine: FakeDocker) -> None:
    build.dockerfile.write_text(FROM_BASE)
    engine.pull("base:1", b"old")
    engine.pull("other:1", b"old")
    ensure(build, lambda _: None)
    engine.pull("other:1", b"new")
    assert not ensure(build, lambda _: None).changed

    engine.pull("base:1", b"new")

    assert ensure(build, lambda _: None).changed
    assert not ensure(build, lambda _: None).changed


def test_a_base_image_that_came_with_the_build_is_no_change(
    build: Build, engine: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.dockerfile.write_text(FROM_BASE)
    build_only = engine.build

    def pull_and_build(**options: Any) -> tuple[FakeImage, None]:  # noqa: ANN401 - as they come
        engine.pull("base:1", b"")
        return build_only(**options)

    monkeypatch.setattr(engine, "build", pull_and_build)
    ensure(build, lambda _: None)

    assert not ensure(build, lambda _: None).changed


# What is done.


def test_an_image_is_built_pushed_and_named_by_its_digest(build: Build, engine: FakeDocker, reports: list[str]) -> None:
    built = ensure(build, reports.append)

    assert engine.built == [
        {
            "path": str(build.context),
            "dockerfile": str(build.dockerfile),
            "target": "web",
            "platform": None,
            "tag": build.name,
        }
    ]
    assert built == builder.Built(f"{REPOSITORY}@{engine.get(build.name).id}", changed=True)
    assert reports == ["building", "pushing"]


def test_an_image_that_is_there_is_neither_built_nor_pushed(
    build: Build, engine: FakeDocker, reports: list[str]
) -> None:
    first = ensure(build, lambda _: None)

    second = ensure(build, reports.append)

    assert second == builder.Built(first.reference, changed=False)
    assert (len(engine.built), len(engine.pushed), reports) == (1, 1, [])


def test_an_image_that_the_registry_lost_is_pushed_again(build: Build, engine: FakeDocker, reports: list[str]) -> None:
    first = ensure(build, lambda _: None)
    engine.registry.clear()

    second = ensure(build, reports.append)

    assert second == builder.Built(first.reference, changed=False)
    assert reports == ["pushing"]


def test_what_is_there_is_found(build: Build, engine: FakeDocker) -> None:
    built = ensure(build, lambda _: None)

    assert builder.find(build) == built.reference
    assert (len(engine.built), len(engine.pushed)) == (1, 1)


def test_what_is_yet_to_be_built_or_pushed_is_not_found(build: Build, engine: FakeDocker) -> None:
    assert builder.find(build) is None
    ensure(replace(build, push=False), lambda _: None)
    assert builder.find(build) is None
    ensure(build, lambda _: None)
    change_content(build)
    assert builder.find(build) is None

    assert (len(engine.built), len(engine.pushed)) == (1, 1)


def test_an_image_that_was_pushed_elsewhere_is_pushed_here(build: Build, engine: FakeDocker) -> None:
    ensure(build, lambda _: None)

    moved = ensure(replace(build, name="other.example.com/web:test"), lambda _: None)

    assert moved.reference.startswith("other.example.com/web@sha256:")
    assert engine.pushed == [build.name, "other.example.com/web:test"]


def test_an_image_is_pushed_under_the_name_that_it_has_now(build: Build, engine: FakeDocker) -> None:
    ensure(build, lambda _: None)
    engine.registry.clear()

    ensure(replace(build, name=f"{REPOSITORY}:other"), lambda _: None)

    assert engine.pushed == [build.name, f"{REPOSITORY}:other"]


def test_an_image_that_is_not_to_be_pushed_is_named_by_its_id(build: Build, engine: FakeDocker) -> None:
    built = ensure(replace(build, push=False), lambda _: None)

    assert built.reference == engine.get(build.name).id
    assert engine.pushed == []


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("localhost:5000/web", "localhost:5000/web"),
        ("localhost:5000/web:test", "localhost:5000/web"),
        ("docker.io/me/web:test", "me/web"),
    ],
)
def test_an_image_is_found_again_whatever_its_name(
    build: Build, engine: FakeDocker, name: str, repository: str
) -> None:
    named = replace(build, name=name)

    built = ensure(named, lambda _: None)

    assert built.reference == f"{repository}@{engine.get(name).id}"
    assert not ensure(named, lambda _: None).changed


def test_of_docker_s_own_registry_older_images_are_forgotten_too(build: Build, engine: FakeDocker) -> None:
    named = replace(build, name="docker.io/me/web:test")
    ensure(named, lambda _: None)
    change_content(build)

    ensure(named, lambda _: None)

    assert len([tag for image in engine.stored for tag in image.tags if builder.SOURCE_TAG in tag]) == 1


def test_files_that_were_built_before_the_last_change_are_built_again(build: Build, engine: FakeDocker) -> None:
    """The engine holds one record of each repository, so that it can forget the images before."""
    before = (build.context / "app" / "main.py").read_text()
    ensure(build, lambda _: None)
    change_content(build)
    ensure(build, lambda _: None)

    (build.context / "app" / "main.py").write_text(before)
    ensure(build, lambda _: None)

    assert len(engine.built) == 3
    assert len([tag for image in engine.stored for tag in image.tags if builder.SOURCE_TAG in tag]) == 1


def test_the_records_of_other_repositories_stay(build: Build, engine: FakeDocker) -> None:
    other = replace(build, name="registry.example.com/other:test", target="other")
    ensure(other, lambda _: None)

    ensure(build, lambda _: None)

    assert not ensure(other, lambda _: None).changed
    assert len(engine.built) == 2


# What goes wrong.


def error_of(build: Build) -> str:
    with pytest.raises(LocalError) as error:
        ensure(build, lambda _: None)
    return str(error.value)


def test_a_failed_build_shows_its_last_lines(build: Build, engine: FakeDocker) -> None:
    log = [{"stream": f"line {number}\n"} for number in range(20)]
    engine.build_error = BuildError("failed", iter([*log, {"stream": "\n"}, {"error": "exit code 1"}, {"aux": "id"}]))

    lines = error_of(build).splitlines()

    assert lines[0] == f"image {build.name}: the build failed:"
    assert lines[1:] == [*(f"line {number}" for number in range(9, 20)), "exit code 1"]


def test_a_build_that_the_engine_refuses_is_told(build: Build, engine: FakeDocker) -> None:
    engine.build_error = APIError("500 Server Error", explanation="unknown instruction: FORM")

    assert error_of(build) == f"image {build.name}: the build failed: unknown instruction: FORM"


def test_after_a_failed_build_it_is_built_again(build: Build, engine: FakeDocker) -> None:
    engine.build_error = APIError("no")
    error_of(build)

    engine.build_error = None

    assert ensure(build, lambda _: None).changed


def test_a_push_that_fails_is_told(build: Build, engine: FakeDocker) -> None:
    engine.push_events = [{"status": "Pushing"}, {"error": "denied"}]

    assert error_of(build) == f"image {build.name}: the push failed: denied"


def test_a_push_that_the_engine_refuses_is_told(build: Build, engine: FakeDocker) -> None:
    engine.push_error = APIError("500 Server Error", explanation="no basic auth credentials")

    assert error_of(build) == f"image {build.name}: the push failed: no basic auth credentials"


def test_a_push_that_led_nowhere_is_told(build: Build, engine: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        engine, "get_registry_data", lambda _, **__: (_ for _ in ()).throw(APIError("manifest unknown"))
    )

    assert error_of(build) == f"image {build.name}: pushed, but the registry has no digest of it"


def test_an_engine_that_does_not_answer_is_told(
    build: Build, engine: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    engine.reachable = False

    assert "unix:///nowhere.sock does not answer" in error_of(build)


def test_a_docker_host_that_makes_no_sense_is_told(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: int) -> FakeDocker:
        raise DockerException("Invalid bind address protocol")

    monkeypatch.setattr(docker, "from_env", refuse)

    assert "Invalid bind address protocol" in error_of(build)
