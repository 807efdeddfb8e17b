import pytest

from etcd import keys
from etcd.keys import Record, ShardValue, UnreadableKeyError


def test_what_is_written_is_read_again() -> None:
    shard = ShardValue(total=12, batch=3)
    assert keys.parse_shard(b"c/s/one", shard.encode()) == shard
    record = Record(shard="one", batch=3, position=0, size=2)
    assert keys.parse_record(b"i/key", record.encode()) == record
    assert keys.shard_of(keys.shard_key("one")) == "one"


def test_the_last_of_a_batch_has_the_count_itself() -> None:
    assert [keys.nth_value(10, 3, position) for position in range(3)] == [8, 9, 10]
    assert Record("one", batch=3, position=0, size=3).value_in(10) == 8


def test_a_result_is_a_count_or_known_to_be_lost() -> None:
    assert keys.parse_result(b"r/one/3", b"10") == 10
    assert keys.parse_result(b"r/one/3", b"?") is None


def test_base_and_shards_add_to_the_count() -> None:
    assert keys.total_of(b"c/base", b"40") == 40
    assert keys.total_of(b"c/s/one", b"2 7") == 2


@pytest.mark.parametrize("key", [b"c/", b"c/other", b"c/s/\xff"])
def test_a_key_that_is_none_of_the_counters_is_named(key: bytes) -> None:
    with pytest.raises(UnreadableKeyError, match="none of the counter's"):
        keys.shard_of(key)


def test_a_foreign_key_adds_nothing_quietly() -> None:
    with pytest.raises(UnreadableKeyError, match="c/other"):
        keys.total_of(b"c/other", b"1 2")


@pytest.mark.parametrize("value", [b"", b"1", b"1 2 3", b"1  2", b"one 2", b"-1 2", b"1.5 2", "\u0661 2".encode()])
def test_a_value_that_the_counter_did_not_write_is_named(value: bytes) -> None:
    with pytest.raises(UnreadableKeyError, match="c/s/one") as error:
        keys.parse_shard(b"c/s/one", value)
    assert repr(value) in str(error.value)
