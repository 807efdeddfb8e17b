"""`/version`: what runs here."""

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import falcon

# What the counter's image has of this project.
_PACKAGES = ("counter", "etcd", "service")


def find_versions() -> dict[str, str]:
    """Return the versions of all that runs here, by name.

    The counter's own is made from its files: what is said by a tag or a variable of the pod may be of another image.
    """
    return {
        "version": version_of(*(Path(__file__).parents[1] / package for package in _PACKAGES)),
        "python": platform.python_version(),
        "falcon": metadata.version("falcon"),
        "waitress": metadata.version("waitress"),
        "etcd3": metadata.version("python3-etcd3"),
    }


def version_of(*packages: Path) -> str:
    """Return what differs when the files of these packages do."""
    digest = hashlib.sha256()
    for path in (path for package in packages for path in sorted(package.glob("*.py"))):
        digest.update(f"{path.parent.name}/{path.name} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class Version:
    """The versions of this replica, which during an update are not those of every replica."""

    def __init__(self, versions: Mapping[str, str], pod: str, node: str) -> None:
        content = f"version = {versions['version']}"
        self._answer = json.dumps(
            {"content": content, "message": "Status OK", "node": node, "pod": pod, **versions}
        ).encode()

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        response.data = self._answer
