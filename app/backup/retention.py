"""What may be removed: what neither a restore nor a look into the past needs.

Only what `Manifest.lived` is a state to go back to. Uploads, and restore files that nothing came of, are kept while
somebody may be about to use them.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from backup.log_file import LogInfo
from backup.manifest import Manifest, by_age

NEWEST = 12  # so many of the newest epoch
HOURLY_FOR = timedelta(days=1)
DAILY_FOR = timedelta(days=7)
UNUSED_FOR = timedelta(hours=1)  # failed ones, restore files that nothing came of
UPLOADS_FOR = timedelta(days=1)
NEVER_REMOVED = 2  # so many of the newest, however full the volume is
WITH_LOG = 3  # so many of each cluster keep the log after them
FREE_SHARE = 4  # one part in so many of the volume is to be free


@dataclass(frozen=True)
class Space:
    """The room on the volume, in bytes: what is free, and of how much."""

    free: int
    size: int


@dataclass(frozen=True)
class Removal:
    """What may be removed."""

    snapshots: tuple[Manifest, ...]
    logs: tuple[LogInfo, ...]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(manifest.size for manifest in self.snapshots) + sum(log.size for log in self.logs)


def to_delete(
    manifests: Sequence[Manifest],
    logs: Sequence[LogInfo],
    now: datetime,
    space: Space,
    in_use: Collection[str] = (),
) -> Removal:
    """What nobody needs any more. `in_use`: names of snapshots and of log files that stay whatever they are.

    Where the volume is too full, that is more: what is kept only to look into the past goes, the oldest first.
    """
    used = {manifest for manifest in manifests if manifest.name in in_use}
    needed = _needed(manifests, now) | used
    kept = needed | _of_the_past(manifests, now)
    droppable = sorted(kept - needed, key=lambda manifest: manifest.time)
    removal = _all_but(kept, manifests, logs, in_use)
    while droppable and (space.free + removal.size) * FREE_SHARE < space.size:
        kept.remove(droppable.pop(0))
        removal = _all_but(kept, manifests, logs, in_use)
    return removal


def _needed(manifests: Sequence[Manifest], now: datetime) -> set[Manifest]:
    """What stays however full the volume is."""
    states = _states(manifests)
    needed = {*states[:NEVER_REMOVED], *_newest_of_each(states, lambda state: state.cluster)}
    # A restore may be under way from the newest restore file, however long it takes.
    to_come = [file for file in _unused(manifests) if not states or file.epoch >= states[0].epoch]
    needed |= _newest_of_each(to_come, lambda file: file.epoch)
    needed |= {manifest for manifest in manifests if manifest.proof.state == "pending"}
    return needed | {manifest for manifest in manifests if _may_be_used_soon(manifest, now)}


def _of_the_past(manifests: Sequence[Manifest], now: datetime) -> set[Manifest]:
    """What stays while there is room."""
    states = _states(manifests)
    newest = [state for state in states if state.epoch == states[0].epoch][:NEWEST]
    of_a_day = [state for state in states if now - state.time < HOURLY_FOR]
    of_a_week = [state for state in states if now - state.time < DAILY_FOR]
    hourly = _newest_of_each(of_a_day, lambda state: (state.cluster, f"{state.time.astimezone(UTC):%F %H}"))
    daily = _newest_of_each(of_a_week, lambda state: (state.cluster, f"{state.time.astimezone(UTC):%F}"))
    return {*newest, *hourly, *daily}


def _may_be_used_soon(manifest: Manifest, now: datetime) -> bool:
    """Whether somebody may want it who has just asked for it, or wants to know why it failed."""
    since = now - (manifest.proof.at or manifest.time)
    if manifest.proven and manifest.reason == "upload":
        return since < UPLOADS_FOR
    return not (manifest.proven and manifest.lived) and since < UNUSED_FOR


def _states(manifests: Iterable[Manifest]) -> list[Manifest]:
    """What can be gone back to, the newest first."""
    return _newest_first(manifest for manifest in manifests if manifest.proven and manifest.lived)


def _unused(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Restore files that nothing came of yet, the newest first."""
    return _newest_first(
        manifest for manifest in manifests if manifest.proven and not manifest.lived and manifest.reason != "upload"
    )


def _newest_first(manifests: Iterable[Manifest]) -> list[Manifest]:
    return sorted(manifests, key=lambda manifest: (by_age(manifest), manifest.time), reverse=True)


def _newest_of_each(newest_first: Sequence[Manifest], group: Callable[[Manifest], Hashable]) -> set[Manifest]:
    return set({group(manifest): manifest for manifest in reversed(newest_first)}.values())


def _all_but(
    kept: set[Manifest], manifests: Iterable[Manifest], logs: Iterable[LogInfo], in_use: Collection[str]
) -> Removal:
    """Remove all other snapshots, and the logs that none of the kept ones needs."""
    states = _states(kept)
    return Removal(
        snapshots=tuple(manifest for manifest in manifests if manifest not in kept),
        logs=tuple(log for log in logs if log.path.name not in in_use and not _needs(states, log)),
    )


def _needs(states: Iterable[Manifest], log: LogInfo) -> bool:
    """Whether it goes on from one of the newest states of its cluster, or none of these is known yet."""
    own = [state.newest for state in states if state.cluster == log.header.cluster][:WITH_LOG]
    return not own or log.last >= own[-1]
