"""Snapshots are tried: each is restored into a scratch etcd, which is then compared with the members, and with what the
snapshot before it and the log make. The newest one's scratch etcd goes on and follows the log.

A log that does not go on from the snapshot is said to be broken: it begins anew, and another snapshot is wanted. Once
that is proven nobody needs what is broken any more, and it is removed.
"""

import itertools
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from backup import files, log_file, proof, restore_file
from backup.errors import BadSnapshotError, UnknownSnapshotError
from backup.follower import Follower, ReplayError
from backup.jobs import Report
from backup.log_file import Complete
from backup.manifest import Manifest, Proof, by_age
from backup.metrics import Metrics
from backup.proof import Verdict
from backup.restore_file import BUMP
from backup.scratch import Scratch, ScratchError, newest_revision
from backup.taking import Taken
from backup.vault import Vault
from etcd import keys
from etcd.endpoints import Endpoint
from etcd.errors import EtcdRefusedError, EtcdUnavailableError

_log = logging.getLogger(__name__)

# How often a proof without a verdict is tried again before another snapshot is taken instead.
MOST_TRIES = 5

# Seconds between two snapshots that are taken instead of such as can't be proven.
_RETAKE_INTERVAL = 60.0

# Seconds in which the log must come as far as a new snapshot, or that is proven without it.
_LOG_TIMEOUT = 30.0

# How many revisions are replayed between two reports.
_REPORT_EVERY = 500

_CLOSE_TIMEOUT = 3.0


class LogAtWork(Protocol):
    """The log that is being written: see `log.Log`."""

    def written_to(self, cluster: int) -> int:
        """Up to which revision of a cluster it was written, at least."""

    def begin_anew(self) -> None:
        """Go on in another file, from the newest revision on, and want a snapshot."""


@dataclass(frozen=True)
class _Broken:
    """That the log after a snapshot is broken.

    Attributes:
        why: A sentence.
        at: When that was found out. A snapshot that was taken later mends it.
        files: What is of no use then.
    """

    why: str
    at: datetime
    files: Sequence[Path]


class _UnreliableError(ScratchError):
    """A snapshot is not on the volume as it was saved there. The text says why."""


class Prover:
    """The scratch etcds. Safe for use by many threads: one thing is done at a time."""

    def __init__(
        self,
        vault: Vault,
        folder: Path,
        endpoints: Sequence[Endpoint],
        metrics: Metrics,
        log: LogAtWork,
        snapshot_wanted: Callable[[str], None],
    ) -> None:
        """Work in a folder that is emptied. `snapshot_wanted` is called with the reason for another snapshot."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)  # what a killed backup has left may still be at work there
        self._vault = vault
        self._folder = folder
        self._endpoints = endpoints
        self._metrics = metrics
        self._logged = log
        self._snapshot_wanted = snapshot_wanted
        self._follower: Follower | None = None
        self._broken: _Broken | None = None
        self._tries: dict[str, int] = {}
        self._retake_after = 0.0
        self._scratches = (folder / f"{secrets.token_hex(2)}-{number}" for number in itertools.count())
        self._lock = threading.Lock()

    @property
    def base(self) -> Manifest | None:
        """The snapshot that the log is followed from."""
        follower = self._follower
        return follower.base if follower else None

    @property
    def broken(self) -> str | None:
        """Why the log is not followed until another snapshot is proven: a sentence. None if it is."""
        broken = self._broken
        return broken.why if broken else None

    @property
    def complete(self) -> Complete | None:
        """Up to where what follows the log knows it to be complete."""
        follower = self._follower
        return follower.chain.complete if follower else None

    def prove_pending(self) -> None:
        """Try the newest of what was not tried yet. Raises OSError, EtcdUnavailableError and EtcdRefusedError."""
        newest = max(self._vault.pending(), key=by_age, default=None)
        if newest is not None:
            with self._lock:
                self._prove(newest)

    def follow(self) -> None:
        """Replay what the log has got. Raises OSError, ScratchError, EtcdUnavailableError and EtcdRefusedError."""
        with self._lock:
            if self._broken:
                return
            newest = self._follower.base if self._follower else next(self._vault.usable(), None)
            if newest is None:
                return
            written = self._logged.written_to(newest.cluster)
            try:
                chain = self._replay(newest).chain
            except ReplayError as error:
                self._break(newest, str(error))
                return
            if chain.gap:  # the log began anew, or a file of it is gone
                self._break(newest, chain.gap, goes_on=True)
            elif chain.revision < written:
                self._break(newest, f"it was written up to revision {written}, but ends with {chain.revision}")

    def make_restore_file(self, wanted: str, after_epoch: int, report: Report) -> Manifest:
        """Make a restore file of "latest", which is the newest proven snapshot and the log after it, or of the snapshot
        of this name, as it is. Its epoch is a new one that comes after `after_epoch`.

        Raises UnknownSnapshotError, and what `follow` and `restore_file.make` raise.
        """
        with self._lock:
            self._vault.catalog.load()
            source = self._latest() if wanted == "latest" else self._named(wanted)
            epoch = max(self._vault.next_epoch(), after_epoch + 1)
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
            except (EtcdUnavailableError, EtcdRefusedError, keys.UnreadableKeyError) as error:
                raise BadSnapshotError(f"etcd was restored from it, but: {error}") from error
            finally:
                scratch.close()

    def close(self) -> None:
        """End what follows the log, and wait a little for what else goes on."""
        is_free = self._lock.acquire(timeout=_CLOSE_TIMEOUT)
        self._stop_following()
        if is_free:
            self._lock.release()

    # One snapshot

    def _prove(self, manifest: Manifest) -> None:
        may_wait = self._broken is None and _age(manifest) < _LOG_TIMEOUT
        if may_wait and self._follows_to(manifest) and self._log_is_late(manifest):
            return
        try:
            scratch = self._start(manifest)
        except _UnreliableError as error:
            self._judge(manifest, Verdict("failed", str(error)))
            return
        except ScratchError as error:  # for want of memory, say; if it is the snapshot's fault it stays so
            self._judge(manifest, Verdict("inconclusive", str(error)))
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
        """What the log has to say of a snapshot, in words. What it was broken before that is removed."""
        broken, base = self._broken, self.base
        if broken and manifest.time > broken.at:
            for path in broken.files:
                files.remove(path)
            self._broken = None
            return broken.why
        if broken:
            return broken.why
        if base is None or self._follower is None or not self._follows_to(manifest):
            return "no log leads to it"
        if self._log_is_late(manifest):
            return "the log has not come so far"
        difference = proof.compare_with_log(self._follower, scratch, manifest)
        if difference is not None:
            # It may be that scratch etcd which went astray: one that gets no processor time for long loses leases.
            self._follow_from(base, self._start(base))
            difference = proof.compare_with_log(self._follower, scratch, manifest)
        if difference is None:
            return f"{base.name} and the log after it make the same"
        self._break(base, difference, goes_on=self._follower.chain.gap is not None)
        return f"{base.name} and the log after it do not make the same: {difference}"

    def _judge(self, manifest: Manifest, verdict: Verdict) -> None:
        self._metrics.proof_ended(verdict.outcome)
        if verdict.outcome == "inconclusive":
            tries = self._tries[manifest.name] = self._tries.get(manifest.name, 0) + 1
            _log.info("snapshot %s: no verdict (%d of %d): %s", manifest.name, tries, MOST_TRIES, verdict.detail)
            if tries < MOST_TRIES:
                return
        self._tries.pop(manifest.name, None)
        is_proven = verdict.outcome == "proven"
        found = Proof("proven" if is_proven else "failed", verdict.detail, datetime.now(UTC))
        _log.log(
            logging.INFO if is_proven else logging.ERROR,
            "snapshot %s: %s: %s",
            manifest.name,
            found.state,
            found.detail,
        )
        self._vault.note_proof(manifest, found)
        if not is_proven and self._is_newer_than_base(manifest) and time.monotonic() >= self._retake_after:
            self._retake_after = time.monotonic() + _RETAKE_INTERVAL
            self._snapshot_wanted(manifest.reason)

    def _follows_to(self, manifest: Manifest) -> bool:
        base = self.base
        return base is not None and base.cluster == manifest.cluster and self._is_newer_than_base(manifest)

    def _log_is_late(self, manifest: Manifest) -> bool:
        return self._logged.written_to(manifest.cluster) < manifest.newest

    def _is_newer_than_base(self, manifest: Manifest) -> bool:
        base = self.base
        return base is None or by_age(manifest) > by_age(base)

    # What follows the log

    def _replay(self, newest: Manifest, report: Report = lambda _step, _done, _of: None) -> Follower:
        """Bring a scratch etcd from this snapshot to where the log ends. Raises ReplayError, among others.

        If the log does not go on, it is tried once more from the start: it may be the scratch etcd that went astray.
        """
        if self._follower is not None and self._follower.base.name == newest.name:
            try:
                self._advance(self._follower, report)
            except (ReplayError, EtcdUnavailableError) as error:
                _log.warning("what follows the log from %s is made anew: %s", newest.name, error)
            else:
                return self._follower
        follower = self._follow_from(newest, self._start(newest))
        try:
            self._advance(follower, report)
        except (ReplayError, EtcdUnavailableError):
            self._stop_following()
            raise
        return follower

    def _advance(self, follower: Follower, report: Report) -> None:
        began = follower.chain.revision

        def replayed(revision: int) -> None:
            if (revision - began) % _REPORT_EVERY == 0:
                report("replaying the log", revision - began, 0)

        follower.advance(report=replayed)

    def _break(self, base: Manifest, why: str, *, goes_on: bool = False) -> None:
        """Say that the log after a snapshot is broken, and have another snapshot come first. Raises OSError.

        `goes_on`: what is written now is sound, as far as one knows.
        """
        of_no_use = [] if goes_on else log_file.paths(self._vault.folder, base.cluster)
        self._broken = _Broken(f"the log after {base.name} is broken: {why}", datetime.now(UTC), of_no_use)
        self._metrics.failed("chain")
        _log.error("%s", self._broken.why)
        if goes_on:
            self._snapshot_wanted("log")
        else:
            self._logged.begin_anew()

    def _latest(self) -> Manifest:
        newest = next(self._vault.usable(), None)
        if newest is None:
            raise UnknownSnapshotError("there is no proven snapshot yet")
        return newest

    def _save_latest(self, newest: Manifest, target: Path, report: Report) -> None:
        report(f"starting from {newest.name}", 0, 0)
        try:
            follower = self._replay(newest, report)
        except ReplayError as error:
            raise ReplayError(
                f"the log after {newest.name} is broken: {error}. That snapshot alone can be restored, by its name"
            ) from error
        follower.scratch.save(target)
        revision = newest_revision(target)
        if revision != follower.chain.revision:
            self._stop_following()
            raise ScratchError(f"a lease ended meanwhile: revision {revision} follows {follower.chain.revision}")

    def _follow_from(self, manifest: Manifest, scratch: Scratch) -> Follower:
        self._stop_following()
        self._follower = Follower(manifest, scratch, self._vault.folder)
        return self._follower

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
            raise _UnreliableError(reason)

    def _next_folder(self) -> Path:
        return next(self._scratches)


def _age(manifest: Manifest) -> float:
    return (datetime.now(UTC) - manifest.time).total_seconds()
