"""What is on the volume, and which of it can be relied on."""

import logging
import os
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from backup import files, log_file, retention
from backup.catalog import Catalog
from backup.chain import Chain
from backup.epochs import Epochs
from backup.errors import BadSnapshotError
from backup.live import Live
from backup.log_file import LogError, LogInfo
from backup.manifest import Manifest, Proof, by_age, new_name
from backup.retention import Space
from backup.taking import Taken
from etcd import keys

_log = logging.getLogger(__name__)

# Seconds after which what a writer left is no writer's any more.
LEFTOVERS_AFTER = 120.0

_COPY_BYTES = 1 << 20


class Vault:
    """The volume for snapshots and log. Every method but those of `catalog` that say otherwise raises OSError.

    Attributes:
        folder: Where all of it is.
        catalog: The snapshots.
        passed_over: A sentence for each snapshot that can't be relied on, though it is listed.
        log_bytes: Size of the log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.catalog = Catalog(folder)
        self.passed_over: tuple[str, ...] = ()
        self.log_bytes = 0
        self._epochs = Epochs(folder)
        self._noting = threading.Lock()
        self._found: dict[str, str | None] = {}  # what reading each snapshot has shown
        self._logs: list[LogInfo] = []
        self._said: set[str] = set()

    def load(self) -> None:
        """Read what there is, and remove what writers that died have left. Raises EpochsError, too."""
        self._epochs.load()
        self.catalog.load()
        files.remove_stale_parts(self.folder, LEFTOVERS_AFTER)
        self.catalog.remove_leftovers(LEFTOVERS_AFTER)

    def note(self, live: Live) -> bool:
        """Know the cluster that runs. Returns whether it is a new one. Raises EpochsError, too.

        Raises LogError for one that says no epoch, though this deployment has been another cluster: then somebody is
        about to write the epoch, or it is not of this deployment.
        """
        with self._noting:
            if self._epochs.knows(live.cluster):
                return False
            if not live.epoch_revision and self._epochs.known():
                raise LogError(
                    f"cluster {live.cluster:016x} runs, which this deployment was not before, and the key "
                    f"{keys.EPOCH.decode()!r} does not say which epoch it is: `make restore` decides"
                )
            self._epochs.note(live.epoch, live.cluster)
            self._note_restored(live)
            return True

    def next_epoch(self) -> int:
        """The number of the cluster that a restore would begin."""
        return self.newest_epoch() + 1

    def newest_epoch(self) -> int:
        """The number of the newest cluster that is known of."""
        return max((epoch.epoch for epoch in self._epochs.known()), default=keys.FIRST_EPOCH)

    def save(self, local: Path, taken: Taken, reason: str, proof: Proof, bump: int = 0, source: str = "") -> Manifest:
        """Put a file on the volume. It is listed once all of it is there."""
        now = datetime.now(UTC)
        name = new_name("restore" if reason == "restore" else "snapshot", taken.epoch, taken.revision + bump, now)
        with local.open("rb") as content, files.durable_file(self.folder / f"{name}.db") as file:
            while part := content.read(_COPY_BYTES):
                file.write(part)
        manifest = Manifest(
            name=name,
            time=now,
            reason=reason,
            epoch=taken.epoch,
            cluster=taken.cluster,
            revision=taken.revision,
            bump=bump,
            count=taken.count,
            size=file.size,
            sha256=file.sha256,
            etcd_version=taken.etcd_version,
            source=source,
            proof=proof,
        )
        self.catalog.add(manifest)
        return manifest

    def note_proof(self, manifest: Manifest, proof: Proof) -> None:
        """Say of a snapshot whether it is proven, if it is still there: another backup may have removed it."""
        if self.catalog.path(manifest).exists():
            with suppress(KeyError):
                self.catalog.replace(replace(manifest, proof=proof))
        else:
            self.catalog.load()

    def fetch(self, manifest: Manifest, target: Path) -> str | None:
        """Copy a snapshot to a local file. Returns why it can't be used, if it can't."""
        reason = self.why_not(manifest)
        if reason is None:
            with self.catalog.path(manifest).open("rb") as content:
                copy(content, target, manifest.size)
        return reason

    def why_not(self, manifest: Manifest) -> str | None:
        """Why a snapshot can't be relied on, if it can't: read anew, whatever was found before."""
        strange = self._epochs.why_strange(manifest.name, manifest.cluster) if manifest.lived else None
        return strange or self.catalog.verify(manifest)

    def usable(self) -> Iterator[Manifest]:
        """The proven states of this deployment, the newest first. Says what is passed over, and why."""
        states = [manifest for manifest in self.catalog.manifests() if manifest.proven and manifest.lived]
        for manifest in sorted(states, key=by_age, reverse=True):
            if self._note_found(manifest) is None:
                yield manifest

    def pending(self) -> list[Manifest]:
        """What was not tried yet, the oldest first."""
        return [manifest for manifest in self.catalog.manifests() if manifest.proof.state == "pending"]

    def look_through(self) -> None:
        """Find out what there is, and what of it can't be relied on."""
        self.catalog.load()
        self._logs, broken = log_file.scan_folder(self.folder, self._logs)
        self.log_bytes = sum(log.size for log in self._logs)
        found = {manifest.name: self._look_at(manifest) for manifest in self.catalog.manifests()}
        strange = [self._epochs.why_strange(log.path.name, log.header.cluster) for log in self._logs]
        of_logs = [*filter(None, strange), *broken]
        self._found = found
        self.passed_over = (*filter(None, found.values()), *of_logs)
        for reason in (*self.catalog.passed_over, *self.passed_over):
            self._say_once(reason)

    def remove_what_nobody_needs(self, in_use: Collection[str]) -> None:
        """`in_use`: names of snapshots and of log files that stay.

        What is passed over is of no account, and stays: whoever put it there, or damaged it, may want to look at it.
        """
        about = os.statvfs(self.folder)
        space = Space(about.f_bavail * about.f_frsize, about.f_blocks * about.f_frsize)
        sound = [manifest for manifest in self.catalog.manifests() if self._found.get(manifest.name) is None]
        own = [log for log in self._logs if self._epochs.knows(log.header.cluster)]
        removal = retention.to_delete(sound, own, datetime.now(UTC), space, in_use)
        for manifest in removal.snapshots:
            self.catalog.remove(manifest.name)
        for log in removal.logs:
            files.remove(log.path)
        files.remove_stale_parts(self.folder, LEFTOVERS_AFTER)
        self.catalog.remove_leftovers(LEFTOVERS_AFTER)

    def logged_to(self, cluster: int) -> int | None:
        """Up to which revision of a cluster the newest snapshot and the log go. None without a snapshot.

        One that is not proven yet counts only if there is no other: the log must not rely on it.
        """
        own = [manifest for manifest in self.catalog.manifests() if manifest.cluster == cluster and manifest.lived]
        proven = [manifest.newest for manifest in own if manifest.proven]
        pending = [manifest.newest for manifest in own if manifest.proof.state == "pending"]
        if not (proven or pending):
            return None
        chain = Chain(self.folder, cluster, max(proven or pending))
        for _ in chain.follow():
            pass
        return chain.revision

    def _look_at(self, manifest: Manifest) -> str | None:
        """Why a snapshot can't be relied on. What was found good is read again only when it is chosen."""
        is_good = manifest.name in self._found and self._found[manifest.name] is None
        return None if is_good else self.why_not(manifest)

    def _note_found(self, manifest: Manifest) -> str | None:
        reason = self._found[manifest.name] = self.why_not(manifest)
        if reason is not None:
            self.passed_over = tuple(dict.fromkeys((*self.passed_over, reason)))
            self._say_once(reason)
        return reason

    def _say_once(self, reason: str) -> None:
        if reason not in self._said:
            self._said.add(reason)
            _log.warning("passed over: %s", reason)

    def _note_restored(self, live: Live) -> None:
        """The restore file that a cluster began with is the first state of it: its last revision wrote the epoch."""
        for file in self.catalog.manifests():
            began = file.reason == "restore" and (file.epoch, file.revision) == (live.epoch, live.epoch_revision)
            if began and not file.cluster:
                with suppress(KeyError):  # it was removed meanwhile
                    self.catalog.replace(replace(file, cluster=live.cluster))


def copy(content: BinaryIO, target: Path, length: int) -> None:
    """Write so many bytes to a file. Raises BadSnapshotError if there are fewer."""
    with target.open("wb") as file:
        while length > 0 and (part := content.read(min(length, _COPY_BYTES))):
            file.write(part)
            length -= len(part)
    if length:
        raise BadSnapshotError(f"it ended {length} bytes early")
