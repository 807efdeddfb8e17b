"""Snapshots are tried: each is restored into a scratch etcd, which is then compared with the members, and with what the
snapshot before it and the log make. The newest one's scratch etcd goes on and follows the log.
"""

import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from backup import proof, restore_file
from backup.errors import BadSnapshotError, UnknownSnapshotError
from backup.follower import Follower, ReplayError
from backup.jobs import Report
from backup.live import Live
from backup.log_file import Complete
from backup.manifest import Manifest, Proof
from backup.metrics import Metrics
from backup.proof import Verdict
from backup.restore_file import BUMP
from backup.scratch import Scratch, ScratchError, newest_revision
from backup.taking import Taken
from backup.vault import Vault
from etcd import keys
from etcd.endpoints import Endpoint
from etcd.errors import EtcdUnavailableError

_log = logging.getLogger(__name__)

# How often a proof without a verdict is tried again before another snapshot is taken instead.
_MOST_TRIES = 5

# How many revisions are replayed between two reports.
_REPORT_EVERY = 500


class Prover:
    """The scratch etcds. Safe for use by many threads: one thing is done at a time."""

    def __init__(
        self,
        vault: Vault,
        folder: Path,
        endpoints: Sequence[Endpoint],
        metrics: Metrics,
        *,
        snapshot_wanted: Callable[[str], None],
        log_is_broken: Callable[[], None],
    ) -> None:
        """Work in a folder that is emptied. `snapshot_wanted` is called with the reason for another snapshot."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._vault = vault
        self._folder = folder
        self._endpoints = endpoints
        self._metrics = metrics
        self._snapshot_wanted = snapshot_wanted
        self._log_is_broken = log_is_broken
        self._follower: Follower | None = None
        self._tries: dict[str, int] = {}
        self._scratches = 0
        self._lock = threading.Lock()

    @property
    def base(self) -> Manifest | None:
        """The snapshot that the log is followed from."""
        follower = self._follower
        return follower.base if follower else None

    @property
    def complete(self) -> Complete | None:
        """Up to where what follows the log knows it to be complete."""
        follower = self._follower
        return follower.chain.complete if follower else None

    def prove_pending(self) -> None:
        """Try what was not tried yet. Raises OSError, EtcdUnavailableError and EtcdRefusedError."""
        for manifest in self._vault.catalog.manifests():
            if manifest.proof.state == "pending":
                with self._lock:
                    self._prove(manifest)

    def follow(self) -> None:
        """Replay what the log has got. Raises OSError, EtcdUnavailableError, EtcdRefusedError and ReplayError."""
        with self._lock:
            if self._follower is None:
                newest = next(self._vault.usable(), None)
                if newest is None:
                    return
                self._follow_from(newest, self._start(newest))
            self._replay()

    def make_restore_file(self, wanted: str, live: Live | None, report: Report) -> Manifest:
        """Make a restore file of "latest", which is the newest proven snapshot and the log after it, or of the snapshot
        of this name, as it is.

        Raises UnknownSnapshotError, and what `follow` and `restore_file.make` raise.
        """
        with self._lock:
            self._vault.catalog.load()
            source = self._latest() if wanted == "latest" else self._named(wanted)
            epoch = self._vault.next_epoch() if live is None else max(self._vault.next_epoch(), live.epoch + 1)
            local, target = self._folder / "source", self._folder / "restore"
            try:
                if wanted == "latest":
                    self._save_latest(source, local, report)
                    bump = 0  # the scratch etcd has it already
                else:
                    self._fetch(source, local)
                    bump = source.bump
                report("making and trying the file", 0, 0)
                content = restore_file.make(local, bump, epoch, target, self._next_folder())
                taken = Taken(epoch, 0, content.revision, content.count, source.etcd_version)
                tried = Proof("proven", "it restores", datetime.now(UTC))
                bump = BUMP * max(1, epoch - source.epoch)
                return self._vault.save(target, taken, "restore", tried, bump, source.name)
            finally:
                local.unlink(missing_ok=True)
                target.unlink(missing_ok=True)

    def try_upload(self, local: Path) -> Taken:
        """What a file from elsewhere restores to. Raises BadSnapshotError."""
        with self._lock:
            try:
                revision = newest_revision(local)
                scratch = Scratch(self._next_folder(), local)
            except ScratchError as error:
                raise BadSnapshotError(f"etcd can't be restored from it: {error}") from error
            try:
                count, _ = scratch.member.count()
                return Taken(scratch.member.epoch(), 0, revision, count, scratch.member.status().version)
            except (EtcdUnavailableError, keys.UnreadableKeyError) as error:
                raise BadSnapshotError(f"etcd was restored from it, but: {error}") from error
            finally:
                scratch.close()

    def close(self) -> None:
        self._stop_following()

    # One snapshot

    def _prove(self, manifest: Manifest) -> None:
        try:
            scratch = self._start(manifest)
        except ScratchError as error:
            self._judge(manifest, Verdict("failed", str(error)))
            return
        keeps = False
        try:
            verdict = proof.compare_with_manifest(scratch, manifest)
            verdict = verdict or proof.compare_with_members(scratch, manifest, self._endpoints)
            if verdict.outcome == "proven":
                verdict = replace(verdict, detail=f"{verdict.detail}; {self._compare_with_log(scratch, manifest)}")
            self._judge(manifest, verdict)
            keeps = verdict.outcome == "proven" and self._is_newer_than_base(manifest)
            if keeps:
                self._follow_from(manifest, scratch)
        finally:
            if not keeps:
                scratch.close()

    def _compare_with_log(self, scratch: Scratch, manifest: Manifest) -> str:
        """What the log has to say of a snapshot, in words. A log that leads elsewhere is removed."""
        follower = self._follower
        if follower is None or follower.base.cluster != manifest.cluster or not self._is_newer_than_base(manifest):
            return "no log leads to it"
        base = follower.base
        difference = proof.compare_with_log(follower, scratch, manifest)
        if difference is not None:
            # It may be this scratch etcd that went astray: one that gets no processor time for long loses leases.
            self._follow_from(base, self._start(base))
            difference = proof.compare_with_log(self._follower or follower, scratch, manifest)
        if difference is None:
            return f"{base.name} and the log after it make the same"
        self._metrics.failed("chain")
        _log.error("the log from %s to %s is broken, and removed: %s", base.name, manifest.name, difference)
        self._log_is_broken()
        self._vault.remove_log(base.cluster, base.newest)
        return f"the log before it was broken: {difference}"

    def _judge(self, manifest: Manifest, verdict: Verdict) -> None:
        self._metrics.proof_ended(verdict.outcome)
        if verdict.outcome == "inconclusive":
            tries = self._tries[manifest.name] = self._tries.get(manifest.name, 0) + 1
            _log.info("snapshot %s: no verdict (%d of %d): %s", manifest.name, tries, _MOST_TRIES, verdict.detail)
            if tries < _MOST_TRIES:
                return
            self._snapshot_wanted(manifest.reason)
        self._tries.pop(manifest.name, None)
        is_proven = verdict.outcome == "proven"
        found = Proof("proven" if is_proven else "failed", verdict.detail, datetime.now(UTC))
        self._vault.catalog.replace(replace(manifest, proof=found))
        level = logging.INFO if is_proven else logging.ERROR
        _log.log(level, "snapshot %s is %s: %s", manifest.name, found.state, verdict.detail)

    def _is_newer_than_base(self, manifest: Manifest) -> bool:
        base = self.base
        return base is None or (manifest.epoch, manifest.newest) > (base.epoch, base.newest)

    # What follows the log

    def _replay(self, report: Report = lambda _step, _done, _of: None) -> None:
        follower = self._follower
        assert follower is not None
        began = follower.chain.revision

        def replayed(revision: int) -> None:
            if (revision - began) % _REPORT_EVERY == 0:
                report("replaying the log", revision - began, 0)

        try:
            follower.advance(report=replayed)
        except (ReplayError, EtcdUnavailableError):
            self._stop_following()  # it is made anew
            raise

    def _latest(self) -> Manifest:
        newest = next(self._vault.usable(), None)
        if newest is None:
            raise UnknownSnapshotError("there is no proven snapshot yet")
        return newest

    def _save_latest(self, newest: Manifest, target: Path, report: Report) -> None:
        report(f"starting from {newest.name}", 0, 0)
        if self._follower is None or self._follower.base.name != newest.name:
            self._follow_from(newest, self._start(newest))
        self._replay(report)
        assert self._follower is not None
        self._follower.scratch.save(target)

    def _follow_from(self, manifest: Manifest, scratch: Scratch) -> None:
        self._stop_following()
        self._follower = Follower(manifest, scratch, self._vault.folder)

    def _stop_following(self) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.close()

    # Files

    def _named(self, name: str) -> Manifest:
        manifest = self._vault.catalog.find(name)
        if manifest is None or not manifest.proven:
            raise UnknownSnapshotError(f"{name} is no proven snapshot")
        return manifest

    def _start(self, manifest: Manifest) -> Scratch:
        """A scratch etcd from what the volume has. Raises ScratchError and OSError."""
        local = self._folder / "proved"
        try:
            self._fetch(manifest, local)
            return Scratch(self._next_folder(), local, manifest.bump)
        finally:
            local.unlink(missing_ok=True)

    def _fetch(self, manifest: Manifest, local: Path) -> None:
        reason = self._vault.fetch(manifest, local)
        if reason is not None:
            raise ScratchError(reason)

    def _next_folder(self) -> Path:
        self._scratches += 1
        return self._folder / f"etcd-{self._scratches}"
