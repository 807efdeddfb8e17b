"""The protocol with one of its parts taken out, each in the place where it is in the real code.

The model must find out every one of them: else it would not see such a fault in the protocol either.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import pytest
from etcd3.etcdrpc import TxnRequest, TxnResponse  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed

from counter import counting, folding, merging, transactions
from counter.counting import Batch, Committer, Life
from counter.requests import Counted, Fate
from counter.store import Store
from counter.transactions import Shard
from etcd import counts, keys
from etcd.errors import EtcdUnavailableError
from tests.app.counter.schedule import Faults, World

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Weakened:
    """A protocol that is not safe, and a schedule which shows that."""

    weaken: Callable[[Patch], None]
    arrivals: tuple[tuple[str | None, int], ...]
    schedule: tuple[str, ...]
    replicas: int = 1
    is_restore_bumped: bool = True
    shares: bool = False

    def world(self) -> World:
        every = Faults(*[1000] * len(fields(Faults)))
        world = World(self.arrivals, self.replicas, every, shares=self.shares)
        world.is_restore_bumped = self.is_restore_bumped
        return world


def _without_compare(patch: Patch, transaction: str, *prefixes: bytes) -> None:
    """Have a transaction built without the comparisons of keys that begin like this."""
    build = getattr(transactions, transaction)

    def built(*arguments: Any, **options: Any) -> TxnRequest:  # noqa: ANN401 - those of any transaction
        request = build(*arguments, **options)
        kept = [compare for compare in request.compare if not compare.key.startswith(prefixes)]
        return TxnRequest(compare=kept, success=request.success, failure=request.failure)

    patch.setattr(transactions, transaction, built)


def commit_compares_no_shard(patch: Patch) -> None:
    _without_compare(patch, "commit", keys.SHARD_PREFIX)


def commit_compares_no_records(patch: Patch) -> None:
    _without_compare(patch, "commit", b"i/")


def fold_compares_no_shard(patch: Patch) -> None:
    _without_compare(patch, "fold", keys.SHARD_PREFIX)


def fold_compares_no_base(patch: Patch) -> None:
    _without_compare(patch, "fold", keys.BASE)


def fold_compares_no_result(patch: Patch) -> None:
    _without_compare(patch, "fold", b"r/")


def fold_stores_no_result(patch: Patch) -> None:
    patch.setattr(folding, "_missing_result", lambda *_: None)


def fold_stores_no_unknown_result(patch: Patch) -> None:
    missing = folding._missing_result

    def known(*arguments: Any) -> object:  # noqa: ANN401 - those of the function
        result = missing(*arguments)
        return result if result and result.count is not None else None

    patch.setattr(folding, "_missing_result", known)


def batches_have_no_number(patch: Patch) -> None:
    patch.setattr(counting, "Batch", lambda _number, requests: Batch(1, requests))


def ids_are_used_again(patch: Patch) -> None:
    patch.setattr(World, "new_id", lambda _: "s000")


def retry_blindly(patch: Patch) -> None:
    """After a time-out, read the shard and add the same increments to it."""
    commit = Committer._commit

    def blind(committer: Committer, life: Life, batch: Batch) -> TxnResponse:
        def again() -> None:
            found = committer._store.read(transactions.read_key(keys.shard_key(life.shard.id)))
            life.shard = transactions.shard_in(found.kvs) or life.shard
            raise _AgainError

        patch.setattr(committer, "_pause", again)
        while True:
            try:
                return commit(committer, life, batch)
            except (_AgainError, EtcdUnavailableError):
                continue

    patch.setattr(Committer, "_commit", blind)


def believe_a_read(patch: Patch) -> None:
    """After a time-out, say 'not counted' if the shard is what it was."""
    count = Committer._count

    def believing(committer: Committer, life: Life, requests: Any) -> None:  # noqa: ANN401
        def look() -> None:
            try:
                found = committer._store.read(transactions.read_key(keys.shard_key(life.shard.id)))
            except EtcdUnavailableError:
                return
            shard = transactions.shard_in(found.kvs)
            if shard and shard.revision == life.shard.revision:
                counting._settle(life.doubtful(), Fate.NOT_COUNTED, Fate.IN_RECORDS)
                life.candidates = []
                raise _AgainError

        patch.setattr(committer, "_pause", look)
        with contextlib.suppress(_AgainError):
            count(committer, life, requests)
        patch.setattr(committer, "_pause", lambda: None)

    patch.setattr(Committer, "_count", believing)


def tell_keyed_early(patch: Patch) -> None:
    """Tell the value of a keyed increment before it is stored."""
    won = Committer._won

    def early(committer: Committer, life: Life, batch: Batch, revision: int, count: int | None, cluster: int) -> None:
        for position, request in enumerate(batch.requests):
            if count is not None and request.key:
                request.settle(Counted(keys.nth_value(count, len(batch.requests), position)))
        won(committer, life, batch, revision, count, cluster)

    patch.setattr(Committer, "_won", early)


def put_the_larger_total(patch: Patch) -> None:
    """After a restore, go on from the total in memory."""
    refused = Committer._refused

    def larger(committer: Committer, life: Life, batch: Batch, response: TxnResponse, started: float) -> Any:  # noqa: ANN401
        shard = transactions.shard_in(response.responses[0].response_range.kvs)
        if shard and shard.value.batch not in {candidate.number for candidate in life.candidates}:
            life.shard = Shard(shard.id, life.shard.value, shard.revision)
            return batch.requests
        return refused(committer, life, batch, response, started)

    patch.setattr(Committer, "_refused", larger)


def _count_at_a_revision(store: Store, _shard: str, revision: int, _cluster: int) -> int:
    """The count after all that was committed together."""
    return counts.count_in(store.read(counts.read_totals(revision)).kvs)


def count_after_all_together(patch: Patch) -> None:
    patch.setattr(counting, "count_after", _count_at_a_revision)


def fold_counts_after_all_together(patch: Patch) -> None:
    patch.setattr(folding, "count_after", _count_at_a_revision)


def merge_in_another_order(patch: Patch) -> None:
    patch.setattr(merging, "sorted", partial(sorted, reverse=True), raising=False)


def nothing(_: Patch) -> None:
    """Nothing is taken out here: the weakness is in the world."""


class _AgainError(Exception):
    """Leave a loop."""


_PLAIN = (None, 0)

# "commit 0 ..." lets a process go on until it has nothing to do; "fold 0 to transact" until that is what it asks for.
# A replica makes its shard first. Committers number their increments in the order of arrival.
_LOST = ("commit 0 to transact", "commit 0: transact lost")

_TOGETHER = (
    *("commit 0 ...", "commit 1 ...", "plain arrives at 0", "plain arrives at 1"),
    *("commit 0 to share", "commit 1 to share", "commit 0 and commit 1: committed together"),
    *("commit 0: share lost", "commit 1 ..."),
)

WEAKENED = {
    "the commit does not compare the shard": Weakened(
        commit_compares_no_shard,
        (_PLAIN,),
        ("commit 0 ...", "plain arrives at 0", *_LOST, "late 0 is applied", "commit 0 ..."),
    ),
    "the commit does not compare the records": Weakened(
        commit_compares_no_records,
        (("k", 0), ("k", 1)),
        ("commit 0 ...", "commit 1 ...", "k arrives at 0", "commit 0 ...", "k arrives at 1", "commit 1 ..."),
        replicas=2,
    ),
    "the fold does not compare the shard": Weakened(
        fold_compares_no_shard,
        (_PLAIN,),
        (
            *("commit 0 ...", "plain arrives at 0", "owner 0 seems gone", "fold 0 to transact"),
            *("commit 0 ...", "fold 0: transact applied"),
        ),
    ),
    "the fold does not compare the base": Weakened(
        fold_compares_no_base,
        (_PLAIN, (None, 1), (None, 2)),
        (
            *("commit 0 ...", "commit 1 ...", "commit 2 ..."),
            *("plain arrives at 0", "plain arrives at 1", "plain arrives at 2"),
            *("commit 0 ...", "commit 1 ...", "commit 2 ...", "owner 0 seems gone", "owner 1 seems gone"),
            *("fold 0 to transact", "fold 0: transact applied", "fold 0: transact answered", "fold 0 to transact"),
            *("owner 0 seems gone", "fold 1 to transact", "fold 1: transact applied", "fold 0: transact applied"),
        ),
        replicas=3,
    ),
    "the fold does not compare the result": Weakened(
        fold_compares_no_result,
        (("k", 0), ("k", 1)),
        (
            *("commit 0 ...", "commit 1 ...", "k arrives at 0", "commit 0 to transact"),
            *("commit 0: transact applied", "commit 0: transact answered"),
            *("owner 0 seems gone", "compact", "fold 1 to transact", "commit 0 ...", "client 0 ...", "fold 1 ..."),
            *("k arrives at 1", "commit 1 ...", "client 1 ..."),
        ),
        replicas=2,
    ),
    "the fold stores no result": Weakened(
        fold_stores_no_result,
        (_PLAIN,),
        (
            *("commit 0 ...", "plain arrives at 0", *_LOST, "late 0 is applied"),
            *("owner 0 seems gone", "fold 0 ...", "commit 0 ..."),
        ),
    ),
    "the fold stores no result where nobody knows it": Weakened(
        fold_stores_no_unknown_result,
        (_PLAIN,),
        (
            *("commit 0 ...", "plain arrives at 0", *_LOST, "late 0 is applied"),
            *("owner 0 seems gone", "compact", "fold 0 ...", "commit 0 ..."),
        ),
    ),
    "batches have no number": Weakened(
        batches_have_no_number,
        (("k", 0), _PLAIN),
        (
            *("commit 0 ...", "k arrives at 0", "commit 0 ...", "client 0 ..."),
            *("plain arrives at 0", *_LOST, "owner 0 seems gone", "fold 0 ...", "commit 0 ..."),
        ),
    ),
    "an ID is used again": Weakened(
        ids_are_used_again,
        (_PLAIN, (None, 1)),
        (
            *("commit 0 ...", "commit 1 ...", "plain arrives at 0", *_LOST),
            *("plain arrives at 1", "commit 1 ...", "commit 0 ..."),
        ),
        replicas=2,
    ),
    "a commit is retried blindly": Weakened(
        retry_blindly,
        (_PLAIN,),
        ("commit 0 ...", "plain arrives at 0", *_LOST, "late 0 is applied", "commit 0 ..."),
    ),
    "a read decides that nothing was counted": Weakened(
        believe_a_read,
        (_PLAIN,),
        ("commit 0 ...", "plain arrives at 0", *_LOST, "commit 0 ...", "late 0 is applied"),
    ),
    "a keyed value is told before it is stored": Weakened(
        tell_keyed_early,
        (("k", 0), ("k", 1)),
        (
            *("commit 0 ...", "commit 1 ...", "k arrives at 0", "commit 0 to transact"),
            *("commit 0: transact applied", "commit 0: transact answered", "client 0 ...", "crash 0"),
            *("owner 0 seems gone", "compact"),
            *("k arrives at 1", "commit 1 ...", "client 1 ..."),
        ),
        replicas=2,
    ),
    "what was committed together has one count": Weakened(
        count_after_all_together,
        (_PLAIN, (None, 1)),
        (*_TOGETHER, "commit 0 ..."),
        replicas=2,
        shares=True,
    ),
    "what was committed together has one count for a fold": Weakened(
        fold_counts_after_all_together,
        (_PLAIN, (None, 1)),
        (*_TOGETHER, "owner 0 seems gone", "fold 1 ...", "commit 0 ..."),
        replicas=2,
        shares=True,
    ),
    "what is committed together comes in another order": Weakened(
        merge_in_another_order,
        (_PLAIN, (None, 1)),
        (*_TOGETHER, "commit 0 ..."),
        replicas=2,
        shares=True,
    ),
    "a restore does not move the revision on": Weakened(
        nothing,
        ((None, 1), ("k", 2)),
        (
            *("commit 0 ...", "commit 1 ...", "commit 2 ...", "plain arrives at 1", "k arrives at 2"),
            *("commit 1 ...", "commit 2 ...", "owner 2 seems gone", "snapshot", "owner 1 seems gone"),
            # The base gets a revision, and the fold of the next shard is on its way, when etcd goes back.
            *("fold 0 to transact", "fold 0: transact applied", "fold 0: transact answered", "fold 0 to transact"),
            # Then the base gets the same revision again, and another total.
            *("restore", "owner 0 seems gone", "fold 1 to transact", "fold 1: transact applied"),
            "fold 0: transact applied",
        ),
        replicas=3,
        is_restore_bumped=False,
    ),
    "after a restore the larger total is put": Weakened(
        put_the_larger_total,
        (_PLAIN,) * 3,
        (
            *("commit 0 ...", "plain arrives at 0", "commit 0 ...", "snapshot", "plain arrives at 0", "commit 0 ..."),
            *("restore", "plain arrives at 0", "commit 0 ..."),
        ),
    ),
}
