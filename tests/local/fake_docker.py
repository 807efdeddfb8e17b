"""A Docker engine and a registry, in memory: the part of `docker.DockerClient` that the builder uses."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound
from docker.utils import parse_repository_tag

Event = dict[str, str]


class FakeImage:
    """An image. Its ID and digest follow from what it was built from."""

    def __init__(self, engine: "FakeDocker", content: bytes) -> None:
        self.id = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.tags: list[str] = []
        self.attrs: dict[str, list[str]] = {"RepoDigests": []}
        self._engine = engine

    def tag(self, name: str) -> None:
        name = _familiar(name)
        for image in self._engine.stored:
            image.tags = [tag for tag in image.tags if tag != name]
        self.tags.append(name)

    def reload(self) -> None:
        self.attrs = {"RepoDigests": [f"{name}@{self.id}" for name in self._engine.pushed_to(self)]}


class FakeDocker:
    """What `docker.from_env()` returns. Attributes say what happened, and what is to go wrong."""

    def __init__(self) -> None:
        self.images = self  # `client.images.build` is a method here
        self.stored: list[FakeImage] = []
        self.registry: dict[str, FakeImage] = {}  # repository@digest -> image
        self.built: list[dict[str, Any]] = []
        self.pushed: list[str] = []
        self.build_error: Exception | None = None
        self.push_error: Exception | None = None
        self.push_events: list[Event] = [{"status": "Pushed"}]
        self.reachable = True
        self.account: dict[str, str] | None = None  # what the registry wants

    def ping(self) -> bool:
        if not self.reachable:
            raise APIError("connection refused")
        return True

    def login(self, username: str, password: str, *, registry: str, reauth: bool) -> None:
        assert reauth, "without it an older password of the user's is taken for right"
        if {"username": username, "password": password} != self.account:
            raise APIError("401 Client Error", explanation=f"{registry}: incorrect username or password")

    def build(
        self, *, path: str, dockerfile: str, target: str | None, platform: str | None, tag: str, **_: bool
    ) -> tuple[FakeImage, None]:
        if self.build_error:
            raise self.build_error
        self.built.append({"path": path, "dockerfile": dockerfile, "target": target, "platform": platform, "tag": tag})
        files = b"".join(file.read_bytes() for file in sorted(Path(path).rglob("*")) if file.is_file())
        image = FakeImage(self, files + str(target).encode())
        known = [other for other in self.stored if other.id == image.id]
        image = known[0] if known else image
        if not known:
            self.stored.append(image)
        image.tag(tag)
        return image, None

    def pull(self, name: str, content: bytes) -> None:
        """Have an image that was not built here."""
        self.stored.append(FakeImage(self, content))
        self.stored[-1].tag(name)

    def get(self, name: str) -> FakeImage:
        for image in self.stored:
            if _familiar(name) in image.tags:
                return image
        raise ImageNotFound(name)

    def list(self, name: str) -> list[FakeImage]:
        return [image for image in self.stored if any(_repository(tag) == name for tag in image.tags)]

    def remove(self, name: str, *, noprune: bool) -> None:
        assert noprune, "layers are the next build's cache"
        self.get(name).tags.remove(name)

    def push(self, name: str, *, stream: bool, decode: bool, auth_config: dict[str, str] | None) -> Iterator[Event]:
        assert stream
        assert decode
        if auth_config != self.account:
            raise APIError("unauthorized")
        if self.push_error:
            raise self.push_error
        self.pushed.append(name)
        image = self.get(name)
        if not any("error" in event for event in self.push_events):
            self.registry[f"{_repository(_familiar(name))}@{image.id}"] = image
        return iter(self.push_events)

    def get_registry_data(self, reference: str, *, auth_config: dict[str, str] | None) -> FakeImage:
        if auth_config != self.account:
            raise APIError("unauthorized")
        if reference not in self.registry:
            raise APIError("manifest unknown")
        return self.registry[reference]

    def pushed_to(self, image: FakeImage) -> Iterator[str]:
        """The repositories that hold an image."""
        return (reference.partition("@")[0] for reference, held in self.registry.items() if held is image)


def _familiar(name: str) -> str:
    """The name as Docker lists it."""
    name = name.removeprefix("docker.io/")
    return name if parse_repository_tag(name)[1] else f"{name}:latest"


def _repository(name: str) -> str:
    return str(parse_repository_tag(name)[0])
