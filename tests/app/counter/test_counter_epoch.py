import logging
from contextlib import closing

import pytest
from etcd3.etcdrpc import RangeRequest, TxnRequest  # type: ignore[import-untyped]

from counter.epoch import EpochStore
from counter.replica import Replica
from counter.requests import Counted
from etcd import keys
from etcd.errors import EtcdUnavailableError
from tests.app.counter.in_memory_etcd import InMemoryEtcd

READ = RangeRequest(key=keys.BASE)


@pytest.fixture
def etcd() -> InMemoryEtcd:
    store = InMemoryEtcd()
    store.put(keys.EPOCH, b"2")
    return store


def restored(etcd: InMemoryEtcd, epoch: bytes | None) -> None:
    """Have it be another cluster, which says that it is this epoch, or does not say."""
    etcd.cluster += 1
    if epoch is not None:
        etcd.put(keys.EPOCH, epoch)
    else:
        del etcd.pairs[keys.EPOCH]
        etcd.put(b"other", b"")


def test_before_the_first_answer_it_is_not_known(etcd: InMemoryEtcd) -> None:
    store = EpochStore(etcd)
    assert store.epoch is None
    store.read(READ)
    assert store.epoch == 2


def test_another_cluster_is_another_epoch_before_its_first_answer_counts(
    etcd: InMemoryEtcd, caplog: pytest.LogCaptureFixture
) -> None:
    entered: list[int] = []
    store = EpochStore(etcd, entered.append)
    store.read(READ)
    store.read(READ)
    restored(etcd, b"3")
    with caplog.at_level(logging.WARNING):
        store.transact(TxnRequest())
    assert (store.epoch, entered) == (3, [2, 3])
    assert "epoch 3 of the count follows epoch 2" in caplog.text


def test_nothing_is_written_to_a_cluster_that_does_not_say_its_epoch() -> None:
    etcd = InMemoryEtcd()
    with pytest.raises(EtcdUnavailableError, match="the controller"):
        EpochStore(etcd).transact(TxnRequest())
    assert etcd.transactions == 0


def test_an_answer_of_one_that_does_not_say_counts_for_nothing_until_it_does(etcd: InMemoryEtcd) -> None:
    store = EpochStore(etcd)
    store.read(READ)
    restored(etcd, None)
    for _ in range(2):
        with pytest.raises(EtcdUnavailableError):
            store.read(READ)
    assert store.epoch == 2
    etcd.put(keys.EPOCH, b"3")
    store.read(READ)
    assert store.epoch == 3


def test_nonsense_is_no_epoch(etcd: InMemoryEtcd) -> None:
    etcd.put(keys.EPOCH, b"soon")
    with pytest.raises(EtcdUnavailableError, match="soon"):
        EpochStore(etcd).read(READ)


def test_a_replica_counts_once_the_epoch_is_there() -> None:
    etcd = InMemoryEtcd()
    with closing(Replica(EpochStore(etcd), patience=5)) as replica:
        outcome = replica.increment()
        assert not [key for key in etcd.pairs if key.startswith(keys.COUNT_PREFIX)]
        etcd.put(keys.EPOCH, b"1")
        assert isinstance(outcome.result(), Counted)
