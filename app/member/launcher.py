"""Decide how a member starts, do what comes before, and become etcd.

A member without data starts as a new one only where nobody can have counted yet. In doubt it waits, and says for what:
a cluster that began anew beside its snapshots would count from 1, as if nothing had been.
"""

import os
import time
from dataclasses import dataclass
from typing import NoReturn

from member import backup, command, folder, peers, probes
from member.backup import BackupError
from member.folder import Contents
from member.restore import RestoreError, restore
from member.settings import Member, Restoration

# Seconds between two looks while the member waits.
PAUSE = 1.0


@dataclass(frozen=True)
class Start:
    """Become etcd; `why` is what the log says of it."""

    why: str


@dataclass(frozen=True)
class Restore:
    """Make the folder anew first."""

    restoration: Restoration


@dataclass(frozen=True)
class Wait:
    """Do nothing yet; `reason` says what for, and who decides."""

    reason: str


@dataclass(frozen=True)
class Ask:
    """There are no data here: what others know decides."""


def decide(contents: Contents, restoration: Restoration | None) -> Start | Restore | Wait | Ask:
    """Return what a member does whose folder has `contents`, where the record asks for `restoration`."""
    if restoration is not None and contents.epoch != restoration.epoch:
        if contents.epoch is not None and contents.epoch > restoration.epoch:
            return Wait(
                f"its data are of epoch {contents.epoch}, and an older one is to be restored: {restoration.epoch}"
            )
        return Restore(restoration)
    if contents.log:
        return Start("data found")
    if contents.epoch is None:
        return Ask()
    if restoration is not None and restoration.sha256 is None:
        return Start(f"epoch {contents.epoch} begins with nothing")
    return Wait(f"its data of epoch {contents.epoch} are gone: `make restore` decides")


def decide_without_data(snapshots: bool, never_started: bool) -> Start | Wait:
    """Return what a member without data does.

    Args:
        snapshots: Whether there are any.
        never_started: Whether the others know that it was never started among them.
    """
    if not snapshots:
        return Start("no data yet")
    if never_started:
        return Start("no data yet, and the other members say that it was never started")
    return Wait("no data here, but there are snapshots: `make restore` decides")


def launch(member: Member) -> NoReturn:
    """Become etcd: same process, so that signals reach it. Restores and waits first, for as long as it takes.

    Raises OSError if etcd can't be started, or the folder can't be read.
    """
    folder.clear(member.data_dir)
    decision = _decide(member)
    if not isinstance(decision, Start):
        with probes.answered():
            decision = _until_start(member, decision)
    _become_etcd(member, decision.why)


def _until_start(member: Member, decision: Start | Restore | Wait) -> Start:
    """Do what is decided, and wait, until etcd may start."""
    said = None
    while not isinstance(decision, Start):
        reason = _restore(member, decision.restoration) if isinstance(decision, Restore) else decision.reason
        if reason is not None:
            if reason != said:
                _say(f"waiting: {reason}")
            said = reason
            time.sleep(PAUSE)
        decision = _decide(member)
    return decision


def _decide(member: Member) -> Start | Restore | Wait:
    decision = decide(folder.look(member.data_dir), member.restoration)
    return _decide_by_others(member) if isinstance(decision, Ask) else decision


def _decide_by_others(member: Member) -> Start | Wait:
    if not member.backup_url:
        return decide_without_data(snapshots=False, never_started=False)
    try:
        snapshots = backup.has_snapshots(member.backup_url)
    except BackupError as error:
        return Wait(f"no data here, and only backup knows whether there are snapshots: {error}")
    return decide_without_data(snapshots, never_started=snapshots and peers.say_never_started(member))


def _restore(member: Member, restoration: Restoration) -> str | None:
    """Returns why it could not be done, if it could not."""
    try:
        restore(member, restoration)
    except RestoreError as error:
        return f"restoring epoch {restoration.epoch} failed: {error}"
    _say(f"restored from {restoration.sha256 or 'nothing'} as epoch {restoration.epoch}")
    return None


def _become_etcd(member: Member, why: str) -> NoReturn:
    # etcd complains of a data folder that others may read.
    member.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments = command.start(member, member.cluster, member.token, "new")
    _say(f"{why} in {member.data_dir}, starting: {' '.join(arguments)}")
    os.execv(arguments[0], arguments)


def _say(text: str) -> None:
    print(text, flush=True)  # exec drops what is buffered
