"""A restore file: what a new cluster begins with, made of a snapshot and, if it is the newest, of the log after it.

Its last transaction says which epoch begins with it. A restore adds `bump` to its revisions, so that none is used
twice, whatever the old cluster had beyond what is in the file.
"""

from dataclasses import dataclass
from pathlib import Path

from etcd3.etcdrpc import PutRequest, RequestOp, TxnRequest  # type: ignore[import-untyped]

from backup.scratch import Scratch, ScratchError, newest_revision
from etcd import keys

# For each epoch between the old cluster and the new one. An epoch has fewer revisions: at a thousand a second, in 11
# days, that many.
BUMP = 1_000_000_000


@dataclass(frozen=True)
class Content:
    """What a restore file holds: its newest revision, and the count at it."""

    revision: int
    count: int


def make(source: Path, bump: int, epoch: int, target: Path, folder: Path) -> Content:
    """Write a restore file for the cluster that is to be `epoch`, and try it.

    Args:
        source: A snapshot.
        bump: What was added to its revisions in its own cluster.
        epoch: Of the cluster that begins with the file.
        target: Where it is written to.
        folder: For scratch etcds.

    Raises ScratchError, OSError, etcd.errors.EtcdUnavailableError and etcd.keys.UnreadableKeyError.
    """
    scratch = Scratch(folder, source, bump)
    try:
        put = RequestOp(request_put=PutRequest(key=keys.EPOCH, value=str(epoch).encode()))
        scratch.member.transact(TxnRequest(success=[put]))
        count, revision = scratch.member.count()
        scratch.save(target)
    finally:
        scratch.close()
    content = Content(newest_revision(target), count)
    if content.revision != revision:
        raise ScratchError(f"a lease ended meanwhile: revision {content.revision} follows {revision}")
    _try(content, epoch, target, folder)
    return content


def _try(content: Content, epoch: int, target: Path, folder: Path) -> None:
    scratch = Scratch(folder, target)
    try:
        found = scratch.member.count(), scratch.member.epoch()
    finally:
        scratch.close()
    if found != ((content.count, content.revision), epoch):
        raise ScratchError(f"it restores to (count, revision), epoch = {found}, not to {content}, {epoch}")
