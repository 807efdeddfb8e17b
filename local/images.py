"""Images that are pulled anywhere else, made here from the built programs and from Debian's packages.

They get the names that they have in the world, in the cluster's registry and in its Docker engine: manifests and the
Dockerfile name the same images as anywhere.
"""

import io
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import docker
import requests

from local import daemons, files
from local.binaries import module_version
from local.commands import run
from local.errors import LocalError
from local.layout import Layout, cache_root
from local.node import PAUSE_IMAGE

DOCKERFILE = Path(__file__).parent.parent / "Dockerfile"
DEBIAN_RELEASE = "trixie"  # whose Python is 3.13
PYTHON_PACKAGES = ("python3", "python3-pip", "ca-certificates")


MADE_FROM = "ha-counter.made-from"


@dataclass(frozen=True)
class BaseImage:
    """An image to make: its name in the world, its Dockerfile, and the files that this adds (name there -> here)."""

    name: str
    instructions: tuple[str, ...]
    files: Mapping[str, Path]
    base: str = "scratch"

    @property
    def made_from(self) -> str:
        """Tells this image from one that was made from other files: their folders are named after what built them."""
        return " ".join(f"{file.parent.name}/{file.name}" for file in self.files.values())


def dns_image() -> str:
    return f"registry.k8s.io/coredns/coredns:{module_version('github.com/coredns/coredns')}"


def dockerfile_image(argument: str) -> str:
    """The default of one of the Dockerfile's image arguments, such as ETCD_IMAGE."""
    match = re.search(rf"^ARG {argument}=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    if match is None:
        raise LocalError(f"{DOCKERFILE}: no line `ARG {argument}=...`")
    return match.group(1)


def python_root() -> Path:
    """The tar of the Python base image's file system; the name says what it was made from."""
    return cache_root() / f"python-{DEBIAN_RELEASE}.tar"


def build_python_root(log: Path) -> None:
    """Make the Python base image's file system, unless it is there: 45 s, most of it waiting for packages.

    Only one at a time may make it. Raises LocalError that names the log.
    """
    target = python_root()
    if target.exists():
        return
    include = f"--include={','.join(PYTHON_PACKAGES)}"
    with files.workshop(target) as folder:
        root, tar = folder / "root", folder / "root.tar"
        # In a mount namespace of its own: what it mounts goes with it, also when it is killed.
        run(["unshare", "--mount", "debootstrap", "--variant=minbase", include, DEBIAN_RELEASE, root], log=log)
        _resemble_official_python(root)
        run(["tar", "--create", f"--file={tar}", f"--directory={root}", "--exclude=./proc/*", "--exclude=./sys/*", "."])
        tar.rename(target)


def _resemble_official_python(root: Path) -> None:
    """What the image python:3.13-slim has: `python` and `pip` on PATH that install where they are told to.

    The image also trusts whom this machine trusts and asks the package index that this machine asks: a network that
    needs that of the machine needs it of the containers that build images on it.
    """
    for name, program in {"python": "python3", "python3": "python3", "pip": "pip3"}.items():
        (root / "usr/local/bin" / name).symlink_to(f"/usr/bin/{program}")
    for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
    for file in ("etc/ssl/certs/ca-certificates.crt", "etc/pip.conf"):
        if Path("/", file).exists():
            shutil.copyfile(Path("/", file), root / file)
    for cache in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / cache)
        (root / cache / "partial").mkdir(parents=True)


def base_images(binaries: Path) -> list[BaseImage]:
    """All images that the cluster, its add-ons and the Dockerfile take from elsewhere."""
    etcd = {name: binaries / name for name in ("etcd", "etcdctl", "etcdutl")}
    return [
        BaseImage(
            PAUSE_IMAGE,
            ("COPY pause /pause", "USER 65535:65535", 'ENTRYPOINT ["/pause"]'),
            {"pause": binaries / "pause"},
        ),
        BaseImage(
            dns_image(),
            ("COPY coredns /coredns", "USER 65532:65532", 'ENTRYPOINT ["/coredns"]'),
            {"coredns": binaries / "coredns"},
        ),
        BaseImage(
            dockerfile_image("ETCD_IMAGE"),
            (f"COPY {' '.join(etcd)} /usr/local/bin/", 'ENTRYPOINT ["/usr/local/bin/etcd"]'),
            etcd,
        ),
        BaseImage(
            dockerfile_image("PYTHON_IMAGE"),
            ("ADD root.tar /", "ENV LANG=C.UTF-8", 'CMD ["python3"]'),
            {"root.tar": python_root()},
        ),
    ]


def provide(
    layout: Layout, client: docker.DockerClient, images: list[BaseImage], progress: Callable[[str], None]
) -> None:
    """Put the images into the cluster's engine and registry, those that are not there.

    Raises LocalError that names the image and the logs.
    """
    for image in images:
        try:
            _provide(layout, client, image, progress)
        except (docker.errors.DockerException, requests.RequestException) as error:
            logs = ", ".join(str(daemons.log_file(layout, name)) for name in ("dockerd", "registry"))
            raise LocalError(f"image {image.name}: {error}; logs: {logs}") from error


def _provide(layout: Layout, client: docker.DockerClient, image: BaseImage, progress: Callable[[str], None]) -> None:
    if _made_from(client, image.name) != image.made_from:
        progress(f"making {image.name}")
        _build(client, image)
    elif _is_pushed(layout, image.name):
        return
    progress(f"pushing {image.name}")
    _push(layout, client, image.name)


def _made_from(client: docker.DockerClient, name: str) -> str | None:
    try:
        return str(client.images.get(name).labels.get(MADE_FROM))
    except docker.errors.ImageNotFound:
        return None


def _build(client: docker.DockerClient, image: BaseImage) -> None:
    lines = [f"FROM {image.base}", *image.instructions, f'LABEL {MADE_FROM}="{image.made_from}"']
    recipe = "\n".join(lines).encode()
    with tempfile.TemporaryFile() as context:
        with tarfile.open(fileobj=context, mode="w") as tar:
            for name, file in image.files.items():
                tar.add(file.resolve(), name)
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(recipe)
            tar.addfile(entry, io.BytesIO(recipe))
        context.seek(0)
        client.images.build(fileobj=context, custom_context=True, tag=image.name, rm=True)


def _push(layout: Layout, client: docker.DockerClient, name: str) -> None:
    repository, tag = _in_registry(name)
    target = f"{layout.registry}/{repository}"
    client.images.get(name).tag(target, tag)
    for event in client.images.push(target, tag, stream=True, decode=True):
        if "error" in event:
            raise LocalError(f"push of {target}:{tag} failed: {event['error']}")


def _is_pushed(layout: Layout, name: str) -> bool:
    repository, tag = _in_registry(name)
    url = f"http://{layout.registry}/v2/{repository}/manifests/{tag}"
    return requests.head(url, timeout=10).status_code == 200


def _in_registry(name: str) -> tuple[str, str]:
    """Where a mirror of every registry keeps an image: its path without the registry's host, and its tag.

    A name without a host is Docker Hub's; one without a folder is in `library` there.
    """
    path, _, tag = name.rpartition(":")
    host, _, rest = path.partition("/")
    if rest and ("." in host or ":" in host or host == "localhost"):
        return rest, tag
    return (path if rest else f"library/{path}"), tag
