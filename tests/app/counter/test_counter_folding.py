from collections.abc import Callable

import pytest

from counter import transactions
from counter.counting import Life
from counter.folding import fold_orphans, fold_own
from counter.records import RecordLeases
from counter.transactions import Shard
from etcd.keys import UnreadableKeyError
from tests.app.counter.mishaps import PlannedEtcd


def fold(etcd: PlannedEtcd, records: RecordLeases) -> list[str]:
    return [shard.id for shard in fold_orphans(etcd, records)]


def own(etcd: PlannedEtcd, shard: str, value: bytes) -> Life:
    """A shard with an owner."""
    lease = etcd.grant_lease(15)
    etcd.transact(transactions.birth(shard, lease, ""))
    etcd.put(b"c/s/" + shard.encode(), value)
    found = transactions.shard_in(etcd.read(transactions.read_key(b"c/s/" + shard.encode())).kvs)
    assert found is not None
    return Life(found, lease, etcd.cluster)


def test_shards_without_an_owner_are_added_to_the_base(etcd: PlannedEtcd, records: RecordLeases) -> None:
    etcd.put(b"c/s/one", b"3 0")
    etcd.put(b"c/s/two", b"4 0")
    assert fold(etcd, records) == ["one", "two"]
    assert etcd.values == {b"c/base": b"7"}
    assert fold(etcd, records) == []


def test_a_shard_with_an_owner_is_left_alone(etcd: PlannedEtcd, records: RecordLeases) -> None:
    own(etcd, "one", b"3 1")
    assert fold(etcd, records) == []


def test_the_count_after_the_last_batch_is_kept(etcd: PlannedEtcd, records: RecordLeases) -> None:
    etcd.put(b"c/base", b"10")
    etcd.put(b"c/s/one", b"3 7")
    etcd.put(b"c/base", b"20")
    assert fold(etcd, records) == ["one"]
    assert etcd.values[b"r/one/7"] == b"13"
    assert etcd.pairs[b"r/one/7"].lease in etcd.leases


def test_a_count_that_is_compacted_is_known_to_be_lost(etcd: PlannedEtcd, records: RecordLeases) -> None:
    etcd.put(b"c/s/one", b"3 7")
    etcd.put(b"another", b"key")
    etcd.compact()
    assert fold(etcd, records) == ["one"]
    assert etcd.values[b"r/one/7"] == b"?"


def test_a_result_that_is_stored_already_stays(etcd: PlannedEtcd, records: RecordLeases) -> None:
    etcd.put(b"c/s/one", b"3 7")
    etcd.put(b"r/one/7", b"13")
    assert fold(etcd, records) == ["one"]
    assert etcd.values[b"r/one/7"] == b"13"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda etcd: etcd.put(b"c/s/one", b"4 8"), id="it counts"),
        pytest.param(lambda etcd: etcd.put(b"o/one", b""), id="it is owned again"),
        pytest.param(lambda etcd: etcd.put(b"c/base", b"1"), id="somebody folds another one"),
        pytest.param(lambda etcd: etcd.put(b"r/one/7", b"3"), id="somebody stores its result"),
        pytest.param(lambda etcd: etcd.delete(b"c/s/one"), id="somebody folds it"),
    ],
)
def test_what_changes_in_between_stops_the_fold(
    etcd: PlannedEtcd, records: RecordLeases, change: Callable[[PlannedEtcd], None]
) -> None:
    etcd.put(b"c/s/one", b"3 7")
    etcd.plan.append(lambda: change(etcd))
    assert fold(etcd, records) == []
    assert etcd.values.get(b"c/base") != b"3"


def test_a_fold_whose_records_lease_has_ended_is_done_the_next_time(etcd: PlannedEtcd, records: RecordLeases) -> None:
    etcd.put(b"c/s/one", b"3 7")
    etcd.expire(records.lease_for(0))
    assert fold(etcd, records) == []
    assert fold(etcd, records) == ["one"]


def test_a_restore_stops_the_fold(etcd: PlannedEtcd, records: RecordLeases) -> None:
    etcd.put(b"c/s/one", b"3 0")
    etcd.put(b"c/s/two", b"4 0")
    etcd.plan.append(lambda: etcd.restore(etcd.snapshot()))
    assert fold(etcd, records) == []
    assert etcd.values == {b"c/base": b"3", b"c/s/two": b"4 0"}


@pytest.mark.parametrize("key", [b"c/other", b"c/s/\xff"])
def test_a_foreign_key_is_named(etcd: PlannedEtcd, records: RecordLeases, key: bytes) -> None:
    etcd.put(key, b"1 2")
    with pytest.raises(UnreadableKeyError, match="none of the counter's"):
        fold(etcd, records)


def test_ones_own_shard_is_folded_with_its_owner(etcd: PlannedEtcd) -> None:
    etcd.put(b"c/base", b"10")
    life = own(etcd, "one", b"3 7")
    assert fold_own(etcd, life)
    assert etcd.values == {b"c/base": b"13"}
    assert fold_own(etcd, life), "it is gone already"


def test_ones_own_shard_is_folded_again_when_the_base_has_changed(etcd: PlannedEtcd) -> None:
    life = own(etcd, "one", b"3 7")
    etcd.plan.append(lambda: etcd.put(b"c/base", b"10"))
    assert not fold_own(etcd, life)
    assert fold_own(etcd, life)
    assert etcd.values == {b"c/base": b"13"}


def test_a_shard_that_a_restore_has_set_back_is_left_to_others(etcd: PlannedEtcd) -> None:
    life = own(etcd, "one", b"3 7")
    life.shard = Shard("one", life.shard.value, life.shard.revision + 1)
    assert fold_own(etcd, life)
    assert etcd.values[b"c/s/one"] == b"3 7"
