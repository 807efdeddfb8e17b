import pytest

from bench.counts import Count, compare, is_exact


def test_every_value_told_once_is_exact() -> None:
    count = compare(before=10, after=13, told=[12, 11, 13])

    assert count == Count(told=3, lost=0, untold=0)
    assert is_exact(count, under_way=0)


def test_a_value_told_twice_is_a_lost_increment() -> None:
    count = compare(before=10, after=12, told=[11, 12, 12])

    assert count == Count(told=3, lost=1, untold=0)
    assert not is_exact(count, under_way=50)


@pytest.mark.parametrize("wrong", [10, 14])
def test_a_value_that_the_count_did_not_go_through_is_a_lost_increment(wrong: int) -> None:
    count = compare(before=10, after=13, told=[11, 12, 13, wrong])

    assert count.lost == 1


def test_what_was_under_way_when_the_load_ended_may_be_counted() -> None:
    count = compare(before=10, after=15, told=[11, 12, 13])

    assert count == Count(told=3, lost=0, untold=2)
    assert is_exact(count, under_way=2)


def test_more_than_was_under_way_is_counted_twice() -> None:
    assert not is_exact(compare(before=10, after=15, told=[11, 12, 13]), under_way=1)


def test_a_count_that_fell_is_not_exact() -> None:
    assert not is_exact(compare(before=10, after=9, told=[]), under_way=50)
