import pytest

from counter import records
from counter.records import MAX_AGE, MAX_RECORDS, RecordLeases
from etcd.errors import EtcdUnavailableError
from tests.app.conftest import Clock
from tests.app.counter.in_memory_etcd import InMemoryEtcd


@pytest.fixture
def leases(store: InMemoryEtcd, clock: Clock) -> RecordLeases:
    return RecordLeases(store, clock)


def test_records_share_a_lease(leases: RecordLeases, store: InMemoryEtcd) -> None:
    assert leases.lease_for(100) == leases.lease_for(0) == leases.lease_for(1)
    assert len(store.leases) == 1


def test_a_lease_takes_no_more_records_than_etcd_deletes_quickly(leases: RecordLeases) -> None:
    first = leases.lease_for(MAX_RECORDS)
    assert leases.lease_for(1) != first


def test_a_record_is_kept_for_a_day_however_late_it_is_put_on_its_lease(leases: RecordLeases, clock: Clock) -> None:
    first = leases.lease_for(1)
    clock.now += MAX_AGE
    assert leases.lease_for(1) == first
    clock.now += 1
    assert leases.lease_for(1) != first
    assert records.RECORD_LIFE - MAX_AGE > 24 * 3600


def test_a_lease_that_has_ended_is_not_used_again(leases: RecordLeases) -> None:
    first = leases.lease_for(1)
    leases.forget(first)
    second = leases.lease_for(1)
    assert second != first
    leases.forget(first)  # somebody else says so, too, but later
    assert leases.lease_for(1) == second


def test_a_lease_that_etcd_does_not_give_is_asked_for_again(leases: RecordLeases, store: InMemoryEtcd) -> None:
    store.away = True
    with pytest.raises(EtcdUnavailableError):
        leases.lease_for(1)
    store.away = False
    assert leases.lease_for(1) in store.leases
