import pytest

from counter import transactions
from counter.counting import Life
from counter.ownership import keep
from counter.transactions import Shard
from etcd.errors import EtcdUnavailableError
from etcd.keys import ShardValue
from tests.app.counter.in_memory_etcd import InMemoryEtcd


@pytest.fixture
def life(store: InMemoryEtcd) -> Life:
    lease = store.grant_lease(15)
    born = store.transact(transactions.birth("one", lease, "192.0.2.7:8081"))
    return Life(Shard("one", ShardValue(0, 0), born.header.revision), lease, store.cluster)


def test_a_lease_that_lives_is_kept(store: InMemoryEtcd, life: Life) -> None:
    lease = life.lease
    keep(store, life, "192.0.2.7:8081")
    assert (life.lease, life.is_over) == (lease, False)
    assert store.leases == {lease}


def test_a_shard_that_nobody_has_folded_is_owned_again(store: InMemoryEtcd, life: Life) -> None:
    store.expire(life.lease)
    keep(store, life, "192.0.2.7:8081")
    assert not life.is_over
    assert store.pairs[b"o/one"].lease == life.lease
    assert life.lease in store.leases


def test_a_shard_that_was_folded_is_over_and_leaves_no_lease(store: InMemoryEtcd, life: Life) -> None:
    store.expire(life.lease)
    store.delete(b"c/s/one")
    keep(store, life, "192.0.2.7:8081")
    assert life.is_over
    assert store.leases == set()
    assert store.values == {}


def test_without_etcd_nothing_is_concluded(store: InMemoryEtcd, life: Life) -> None:
    store.away = True
    with pytest.raises(EtcdUnavailableError):
        keep(store, life, "192.0.2.7:8081")
    assert not life.is_over
