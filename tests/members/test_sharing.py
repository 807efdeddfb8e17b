"""Replicas share transactions, and etcd does with these what the protocol relies on."""

from collections.abc import Sequence
from contextlib import ExitStack, closing

import pytest

from counter import history, merging, transactions
from counter.merging import commit_together
from counter.store import Store
from counter.transactions import Commit, Committed, Shard
from etcd.client import EtcdClient
from etcd.keys import ShardValue
from tests.members.cluster import Cluster, wait_until
from tests.members.counting import counting
from tests.members.load import History, Load, count_of, kept_keys, patiently, replicas
from tests.members.test_paused_replica import other_process

Merged = list[int]


@pytest.fixture
def merged(monkeypatch: pytest.MonkeyPatch) -> Merged:
    """How many batches each shared transaction of this process has."""
    sizes: Merged = []

    def commit(store: Store, commits: Sequence[Commit]) -> list[Committed] | None:
        sizes.append(len(commits))
        return commit_together(store, commits)

    monkeypatch.setattr(merging, "commit_together", commit)
    return sizes


def test_each_batch_has_its_own_count_at_the_revision_that_all_have(cluster: Cluster) -> None:
    with closing(EtcdClient(cluster.endpoints)) as etcd:
        patiently(etcd.count_members)
        before = count_of(cluster.endpoints)
        lease = etcd.grant_lease(60)
        commits = []
        for size, name in enumerate("bca", 1):
            born = etcd.transact(transactions.birth(name, lease, "")).header.revision
            commits.append(Commit(Shard(name, ShardValue(0, 0), born), ShardValue(size, 1)))
        committed = commit_together(etcd, commits)
        assert committed is not None
        assert [each.count for each in committed] == [before + 4, before + 6, before + 3]
        [revision] = {each.revision for each in committed}
        [cluster_id] = {each.cluster for each in committed}
        again = [history.count_after(etcd, each.before.id, revision, cluster_id) for each in commits]
        assert again == [each.count for each in committed]
        assert commit_together(etcd, commits) is None, "it is applied once"
        etcd.revoke_lease(lease)


def test_replicas_share_transactions(cluster: Cluster, merged: Merged) -> None:
    with counting(cluster):
        wait_until(lambda: 3 in merged, "all three batches are in one transaction")


@pytest.mark.usefixtures("short_times")
def test_the_eldest_hangs(cluster: Cluster, merged: Merged) -> None:
    """The others count on without it, and share among themselves when its shard is folded."""
    before = count_of(cluster.endpoints)
    with ExitStack() as stack:
        told = History()
        eldest = stack.enter_context(other_process(cluster.endpoints, told))
        eldest.goes_on()
        load = stack.enter_context(closing(Load(stack.enter_context(replicas(cluster.endpoints, count=2)))))
        load.goes_on()
        assert not merged, "the eldest is another one"
        eldest.pause()
        load.goes_on()
        wait_until(lambda: 2 in merged, "the others share among themselves")
        eldest.resume()
        eldest.goes_on()
        load.goes_on()
        eldest.stop()
    told.answers += load.history.answers
    told.fetches += load.history.fetches
    told.check(before, count_of(cluster.endpoints))
    assert kept_keys(cluster.endpoints) == {b"c/base"}
