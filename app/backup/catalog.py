"""The snapshots that a folder holds: each is a file with a manifest beside it, which is written last."""

import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backup import files
from backup.manifest import NAME, Manifest, ManifestError

_SNAPSHOT = ".db"
_MANIFEST = ".json"


class Catalog:
    """The snapshots in a folder. Safe for use by many threads.

    What only asks - `manifests`, `passed_over`, `find` - is answered from memory, since the folder's server may hang.
    All else may wait for it, and raises OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changing = threading.Lock()
        self._contents = _Contents()

    def load(self) -> None:
        """Read all manifests anew: all of them, or else OSError is raised and nothing changes."""
        with self._changing:
            self._contents = _read(self._folder)

    def manifests(self) -> tuple[Manifest, ...]:
        """The oldest first."""
        return tuple(sorted(self._contents.manifests.values(), key=lambda manifest: (manifest.time, manifest.name)))

    @property
    def passed_over(self) -> tuple[str, ...]:
        """What is not listed, though it has a snapshot's name: a sentence for each, that says why."""
        return self._contents.passed_over

    def find(self, wanted: str) -> Manifest | None:
        """The snapshot of this name or sha256."""
        named = self._contents.manifests.get(wanted)
        return named or next((manifest for manifest in self.manifests() if manifest.sha256 == wanted), None)

    def path(self, manifest: Manifest) -> Path:
        """Where the snapshot itself is, or is to be before it is added."""
        return self._folder / f"{manifest.name}{_SNAPSHOT}"

    def add(self, manifest: Manifest) -> None:
        """List a snapshot whose file is there."""
        with self._changing:
            self._write(manifest)

    def replace(self, manifest: Manifest) -> None:
        """Say something else of a snapshot that is listed. Raises KeyError if it no longer is."""
        with self._changing:
            self._contents.manifests[manifest.name]
            self._write(manifest)

    def remove(self, name: str) -> None:
        """Remove a snapshot and its manifest."""
        with self._changing:
            # The manifest first: a snapshot without one is of no account, and goes as a leftover.
            files.remove(self._folder / f"{name}{_MANIFEST}")
            others = {other: manifest for other, manifest in self._contents.manifests.items() if other != name}
            self._contents = _Contents(others, self._contents.passed_over)
            files.remove(self._folder / f"{name}{_SNAPSHOT}")

    def verify(self, manifest: Manifest) -> str | None:
        """Read the snapshot itself. Returns a sentence that says why it can't be used, if it can't."""
        try:
            with self.path(manifest).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return f"{manifest.name}: its file is gone"
        if size != manifest.size:
            return f"{manifest.name}: {_size_is(size, manifest)}"
        if sha256 != manifest.sha256:
            return f"{manifest.name}: its sha256 is {sha256}, but must be {manifest.sha256}"
        return None

    def remove_leftovers(self, older_than_seconds: float) -> list[str]:
        """Remove snapshots that never got a manifest, and return the names of their files."""
        with self._changing:
            paths = set(self._folder.iterdir())
            leftovers = [path for path in paths if _is(path, _SNAPSHOT) and path.with_suffix(_MANIFEST) not in paths]
            stale = [path for path in leftovers if files.older_than(path, older_than_seconds)]
            for path in stale:
                files.remove(path)
            return [path.name for path in stale]

    def _write(self, manifest: Manifest) -> None:
        files.write_text(self._folder / f"{manifest.name}{_MANIFEST}", manifest.to_json())
        self._contents = _Contents({**self._contents.manifests, manifest.name: manifest}, self._contents.passed_over)


@dataclass(frozen=True)
class _Contents:
    """Never changed, only replaced as a whole, so that it can be read without a lock."""

    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()


def _read(folder: Path) -> _Contents:
    manifests, passed_over = {}, []
    for path in sorted(folder.iterdir()):
        if not _is(path, _MANIFEST):
            continue
        try:
            manifest = _read_one(path)
        except FileNotFoundError:  # removed by another process meanwhile
            continue
        except ManifestError as error:
            passed_over.append(f"{path.stem}: {error}")
        else:
            manifests[manifest.name] = manifest
    return _Contents(manifests, tuple(passed_over))


def _read_one(path: Path) -> Manifest:
    try:
        manifest = Manifest.from_json(path.read_text(encoding="utf-8", errors="replace"))
    except (PermissionError, IsADirectoryError) as error:
        raise ManifestError(f"its manifest can't be read: {error.strerror}") from None
    if manifest.name != path.stem:
        raise ManifestError(f"its manifest is that of {manifest.name}")
    try:
        size = path.with_suffix(_SNAPSHOT).stat().st_size
    except FileNotFoundError:
        raise ManifestError("its file is gone") from None
    if size != manifest.size:
        raise ManifestError(_size_is(size, manifest))
    return manifest


def _is(path: Path, ending: str) -> bool:
    return path.suffix == ending and NAME.fullmatch(path.stem) is not None


def _size_is(size: int, manifest: Manifest) -> str:
    return f"its file has {size} bytes, but must have {manifest.size}"
