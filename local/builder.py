"""Images of the program, built from a Dockerfile and pushed, when what they are built from has changed."""

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

import docker
from docker.models.images import Image
from docker.utils import parse_repository_tag
from docker.utils.build import exclude_paths

from local.errors import LocalError

# The engine keeps what it built under a tag with the hash of what it was built from, so that no other record is needed.
# (A label would do, too, but it would make an image with the same files a new one, and pods would roll for nothing.)
SOURCE_TAG = "built-from-"


@dataclass(frozen=True)
class Login:
    """An account at a registry."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Build:
    """What an image is built from and what it is called.

    The context is a folder. Without a platform the image is for this machine's, without a login the engine uses what
    `docker login` left.
    """

    name: str  # registry/repository:tag
    context: Path
    dockerfile: Path
    target: str | None
    push: bool
    platform: str | None = None
    login: Login | None = None


@dataclass(frozen=True)
class Built:
    """An image that is there. `reference` names it by its digest, if it was pushed."""

    reference: str
    changed: bool


def ensure(build: Build, report: Callable[[str], None]) -> Built:
    """Build and push the image, unless one of the same files and base images is there.

    Raises LocalError with the last lines.
    """
    client = _engine()
    files = _hash(build)
    image = known = _find(client, _source(client, build, files))
    if image is None:
        report("building")
        image = _build(client, build)
        # Not as it was called above: the build has pulled the base images that were missing.
        _note_source(client, image, _repository(build), _source(client, build, files))
    reference = _reference(client, image, build)
    if reference is None:
        report("pushing")
        image.tag(build.name)
        _push(client, build)
        image.reload()
        reference = _reference(client, image, build)
    if reference is None:
        raise LocalError(f"image {build.name}: pushed, but the registry has no digest of it")
    return Built(reference, changed=known is None)


def find(build: Build) -> str | None:
    """The reference of an image of the same files and base images; None if `ensure` has to build or push it."""
    client = _engine()
    image = _find(client, _source(client, build, _hash(build)))
    return _reference(client, image, build) if image else None


def tag(image: str, name: str) -> None:
    """Give an image another name. Raises LocalError if there is no such image."""
    found = _find(_engine(), image)
    if found is None:
        raise LocalError(f"image {image}: the Docker engine has no such image")
    found.tag(name)


def _engine() -> docker.DockerClient:
    where = os.environ.get("DOCKER_HOST", "the default socket")
    try:
        client = docker.from_env(timeout=600)
        client.ping()
    except docker.errors.DockerException as error:
        raise LocalError(
            f"the Docker engine at {where} does not answer (DOCKER_HOST names another): {error}"
        ) from error
    return client


def _source(client: docker.DockerClient, build: Build, files: str) -> str:
    """The tag of the image that was built from these files and from the base images that are here now."""
    bases = [str(base.id) for name in _base_images(build) if (base := _find(client, name))]
    return f"{_repository(build)}:{SOURCE_TAG}{hashlib.sha256(' '.join([files, *bases]).encode()).hexdigest()[:40]}"


def _base_images(build: Build) -> list[str]:
    """What the Dockerfile's stages are made from: images, and other stages, which the engine does not know by name."""
    defaults: dict[str, str] = {}
    names: list[str] = []
    for line in build.dockerfile.read_text().splitlines():
        instruction, *words = line.split() or [""]
        if instruction == "ARG" and not names:  # later ones are a stage's own
            defaults.update((name, value) for name, equals, value in (word.partition("=") for word in words) if equals)
        if instruction == "FROM":
            names.append(next(word for word in words if not word.startswith("--")))
    filled_in = [Template(name).safe_substitute(defaults) for name in names]
    return [name for name in filled_in if "$" not in name]


def _hash(build: Build) -> str:
    """The hash of the files that the engine gets to see, of their modes, and of the build's target and platform."""
    digest = hashlib.sha256(f"{build.target}\0{build.platform}\0".encode() + build.dockerfile.read_bytes())
    for name in _context_files(build):
        file = build.context / name
        if file.is_file():
            digest.update(f"{name}\0{file.stat().st_mode:o}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _context_files(build: Build) -> list[str]:
    ignore = build.context / ".dockerignore"
    patterns = ignore.read_text().splitlines() if ignore.exists() else []
    kept = [line.strip() for line in patterns if line.strip() and not line.startswith("#")]
    return sorted(exclude_paths(str(build.context), kept, dockerfile=str(build.dockerfile)))


def _find(client: docker.DockerClient, name: str) -> Image | None:
    try:
        return client.images.get(name)
    except docker.errors.ImageNotFound:
        return None


def _build(client: docker.DockerClient, build: Build) -> Image:
    try:
        image, _ = client.images.build(
            path=str(build.context),
            dockerfile=str(build.dockerfile),
            target=build.target,
            platform=build.platform,
            tag=build.name,
            rm=True,
            forcerm=True,
        )
        return image
    except docker.errors.BuildError as error:
        lines = [str(event.get("stream") or event.get("error") or "").rstrip() for event in error.build_log]
        tail = "\n".join([line for line in lines if line][-12:])
        raise LocalError(f"image {build.name}: the build failed:\n{tail}") from error
    except docker.errors.APIError as error:
        raise LocalError(f"image {build.name}: the build failed: {error.explanation or error}") from error


def _push(client: docker.DockerClient, build: Build) -> None:
    try:
        for event in client.images.push(build.name, stream=True, decode=True, auth_config=_account(build)):
            if "error" in event:
                raise LocalError(f"image {build.name}: the push failed: {event['error']}")
    except docker.errors.APIError as error:
        raise LocalError(f"image {build.name}: the push failed: {error.explanation or error}") from error


def _account(build: Build) -> dict[str, str] | None:
    """The login as the Docker client wants it."""
    return None if build.login is None else {"username": build.login.user, "password": build.login.password}


def _note_source(client: docker.DockerClient, image: Image, repository: str, source: str) -> None:
    """Note what the image was built from; forget the images before it, which the engine then may remove."""
    for older in client.images.list(name=repository):
        for tag in older.tags:
            if tag.startswith(f"{repository}:{SOURCE_TAG}"):
                client.images.remove(tag, noprune=True)
    image.tag(source)


def _reference(client: docker.DockerClient, image: Image, build: Build) -> str | None:
    """The image by its digest, if it can be pulled by that."""
    if not build.push:
        return str(image.id)
    repository = _repository(build)
    for reference in image.attrs["RepoDigests"]:
        if reference.startswith(f"{repository}@"):
            with contextlib.suppress(docker.errors.APIError):
                client.images.get_registry_data(reference, auth_config=_account(build))
                return str(reference)
    return None


def _repository(build: Build) -> str:
    """The image's name without its tag, as Docker lists it: without the name of Docker's own registry."""
    return str(parse_repository_tag(build.name)[0]).removeprefix("docker.io/")
