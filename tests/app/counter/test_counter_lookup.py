from collections.abc import Callable

import pytest

from counter.lookup import increment_once, look_up
from counter.records import RecordLeases
from counter.requests import Counted, Fate, Outcome, Request, Waiting
from etcd.errors import EtcdUnavailableError
from etcd.keys import Record
from tests.app.counter.mishaps import PlannedEtcd


@pytest.fixture
def counted(etcd: PlannedEtcd) -> None:
    """The key "a" was the first of two in batch 7, after which the count was 12."""
    etcd.put(b"c/base", b"12")
    etcd.put(b"i/a", Record("one", batch=7, position=0, size=2).encode())


def compact(etcd: PlannedEtcd) -> None:
    etcd.put(b"c/base", b"20")
    etcd.compact()


def test_a_key_without_a_record_was_not_counted(etcd: PlannedEtcd, records: RecordLeases) -> None:
    assert look_up(etcd, records, "a") is None


@pytest.mark.usefixtures("counted")
def test_a_value_is_stored_before_it_is_told(etcd: PlannedEtcd, records: RecordLeases) -> None:
    etcd.put(b"c/base", b"20")
    assert look_up(etcd, records, "a") == Counted(11)
    assert etcd.values[b"r/one/7"] == b"12"
    assert etcd.pairs[b"r/one/7"].lease in etcd.leases
    compact(etcd)
    assert look_up(etcd, records, "a") == Counted(11)


@pytest.mark.usefixtures("counted")
def test_a_value_that_could_not_be_stored_is_not_told(etcd: PlannedEtcd, records: RecordLeases) -> None:
    etcd.plan.append("late")
    with pytest.raises(EtcdUnavailableError):
        look_up(etcd, records, "a")


@pytest.mark.usefixtures("counted")
def test_a_value_that_is_compacted_is_lost(etcd: PlannedEtcd, records: RecordLeases) -> None:
    compact(etcd)
    assert look_up(etcd, records, "a") is Fate.VALUE_LOST


@pytest.mark.usefixtures("counted")
def test_a_value_that_is_known_to_be_lost_stays_lost(etcd: PlannedEtcd, records: RecordLeases) -> None:
    etcd.put(b"r/one/7", b"?")
    assert look_up(etcd, records, "a") is Fate.VALUE_LOST


@pytest.mark.usefixtures("counted")
def test_a_value_that_is_stored_just_before_it_is_compacted_is_found(etcd: PlannedEtcd, records: RecordLeases) -> None:
    reads = 0

    def store_and_compact() -> None:
        nonlocal reads
        reads += 1
        if reads == 3:  # after the record and its missing result were read
            etcd.put(b"r/one/7", b"12")
            compact(etcd)

    etcd.before_reading = store_and_compact
    assert look_up(etcd, records, "a") == Counted(11)


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("moment", [2, 3])
def test_a_restore_in_between_begins_it_anew(etcd: PlannedEtcd, records: RecordLeases, moment: int) -> None:
    snapshot = etcd.snapshot()
    reads = 0

    def restore() -> None:
        nonlocal reads
        reads += 1
        if reads == moment:
            etcd.delete(b"i/a")
            etcd.restore(snapshot, bump=False)

    etcd.before_reading = restore
    assert look_up(etcd, records, "a") == Counted(11)
    assert reads == moment + 3


@pytest.mark.usefixtures("counted")
def test_a_record_that_goes_meanwhile_is_no_record(etcd: PlannedEtcd, records: RecordLeases) -> None:
    etcd.plan.append(lambda: etcd.delete(b"i/a"))
    assert look_up(etcd, records, "a") is None


@pytest.mark.usefixtures("counted")
def test_a_lease_that_has_ended_is_replaced(etcd: PlannedEtcd, records: RecordLeases) -> None:
    etcd.expire(records.lease_for(0))
    assert look_up(etcd, records, "a") == Counted(11)


def ask_once(
    etcd: PlannedEtcd, records: RecordLeases, *answers: Callable[[Request], Outcome]
) -> tuple[Outcome, list[Request]]:
    """Ask for "a", where the queue answers so. Returns what is answered, and what was in the queue."""
    left = iter(answers)
    waiting = Waiting()
    outcome = increment_once(etcd, records, waiting, "a", lambda request: next(left)(request))
    return outcome, waiting.take(0) + waiting.take(1) + waiting.take(1)


def test_a_new_key_is_counted(etcd: PlannedEtcd, records: RecordLeases) -> None:
    outcome, requests = ask_once(etcd, records, lambda _: Counted(3))
    assert outcome == Counted(3)
    assert [request.key for request in requests] == ["a"]


@pytest.mark.usefixtures("counted")
def test_a_key_with_a_record_is_answered_from_it(etcd: PlannedEtcd, records: RecordLeases) -> None:
    outcome, requests = ask_once(etcd, records, lambda _: Fate.IN_RECORDS)
    assert outcome == Counted(11)
    assert len(requests) == 1


def test_a_key_whose_record_is_gone_is_counted_again(etcd: PlannedEtcd, records: RecordLeases) -> None:
    outcome, requests = ask_once(etcd, records, lambda _: Fate.IN_RECORDS, lambda _: Counted(3))
    assert outcome == Counted(3)
    assert len(requests) == 2
