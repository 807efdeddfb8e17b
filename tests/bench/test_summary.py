import pytest

from bench.counts import Count
from bench.load import Load
from bench.rounds import Measurement
from bench.scaling import SizedMeasurement
from bench.summary import Ratio, Spread, compare, spread, summarize, summarize_sizes
from bench.targets import Comparison


def measured(
    target: str, rate: int, *, number: int = 1, concurrency: int = 3, failures: int = 0, count: Count | None = None
) -> Measurement:
    """A run of one second whose waiting times in ms follow from its rate."""
    load = Load(seconds=1.0, answers=rate, failures=failures, p50=1000 / rate, p99=2000 / rate)
    return Measurement(number, concurrency, target, load, count)


def test_the_spread_goes_from_the_least_to_the_most() -> None:
    assert spread([5.0, 1.0, 3.0]) == Spread(median=3.0, least=1.0, most=5.0)


def test_the_median_of_an_even_number_lies_between_the_middle_ones() -> None:
    assert spread(iter([4.0, 1.0, 2.0, 100.0])).median == 3.0


def test_all_rounds_of_a_target_are_summed_up() -> None:
    [summary] = summarize([measured("a", rate, number=number) for number, rate in enumerate((10, 40, 20), start=1)])

    assert (summary.target, summary.concurrency, summary.answers) == ("a", 3, 70)
    assert summary.rate == Spread(20.0, 10.0, 40.0)
    assert summary.p50 == Spread(50.0, 25.0, 100.0)
    assert summary.p99 == Spread(100.0, 50.0, 200.0)


def test_targets_and_concurrencies_are_told_apart_and_sorted() -> None:
    summaries = summarize([measured("b", 20), measured("a", 30, concurrency=50), measured("a", 10)])

    found = [(summary.target, summary.concurrency, summary.rate.median) for summary in summaries]
    assert found == [("a", 3, 10.0), ("a", 50, 30.0), ("b", 3, 20.0)]


def test_what_went_wrong_is_added_up_over_the_rounds() -> None:
    runs = [
        measured("a", 10, number=1, failures=2, count=Count(told=10, lost=3, untold=0)),
        measured("a", 10, number=2, failures=5, count=Count(told=10, lost=1, untold=0)),
    ]
    [summary] = summarize(runs)

    assert (summary.failures, summary.lost) == (7, 4)


def test_a_target_that_does_not_count_loses_nothing() -> None:
    [summary] = summarize([measured("a", 10)])

    assert summary.lost is None


def test_a_ratio_is_taken_within_each_round() -> None:
    """In round 2 everything was ten times slower: that changes no ratio, though it changes both medians' ratio."""
    runs = [
        *(measured("fast", rate, number=number) for number, rate in enumerate((200, 40, 600), start=1)),
        *(measured("slow", rate, number=number) for number, rate in enumerate((100, 10, 200), start=1)),
    ]

    [ratio] = compare(runs, [Comparison("fast", "slow")])

    assert ratio == Ratio(Comparison("fast", "slow"), 3, Spread(median=3.0, least=2.0, most=4.0), holds=None)


def test_there_is_a_ratio_for_each_concurrency() -> None:
    runs = [measured(target, rate, concurrency=c) for c in (1, 50) for target, rate in (("a", 10 * c), ("b", 10))]

    ratios = compare(runs, [Comparison("a", "b"), Comparison("b", "b")])

    found = [(ratio.comparison.numerator, ratio.concurrency, ratio.ratio.median) for ratio in ratios]
    assert found == [("a", 1, 1.0), ("a", 50, 50.0), ("b", 1, 1.0), ("b", 50, 1.0)]


def test_there_is_no_ratio_where_only_one_was_measured() -> None:
    runs = [measured("a", 10, concurrency=1), measured("a", 10, concurrency=3), measured("b", 20, concurrency=1)]

    ratios = compare(runs, [Comparison("a", "b"), Comparison("c", "a")])

    assert [(ratio.comparison.numerator, ratio.concurrency) for ratio in ratios] == [("a", 1)]


def test_times_are_compared_where_that_is_asked_for() -> None:
    [ratio] = compare([measured("a", 100), measured("b", 400)], [Comparison("a", "b", of="p50")])

    assert ratio.ratio.median == 4.0


@pytest.mark.parametrize(
    ("comparison", "holds"),
    [
        (Comparison("a", "b", at_least={3: 2.0}), True),
        (Comparison("a", "b", at_least={3: 2.1}), False),
        (Comparison("a", "b", at_most={3: 2.0}), True),
        (Comparison("a", "b", at_most={3: 1.9}), False),
        (Comparison("a", "b", at_least={50: 2.1}), None),
    ],
)
def test_a_ratio_tells_whether_its_median_is_the_goal(comparison: Comparison, holds: bool | None) -> None:
    runs = [
        *(measured("a", rate, number=number) for number, rate in enumerate((100, 20, 300), start=1)),
        *(measured("b", rate, number=number) for number, rate in enumerate((100, 10, 100), start=1)),
    ]

    [ratio] = compare(runs, [comparison])

    assert ratio.holds is holds


def test_all_rounds_of_a_size_are_summed_up_and_sizes_sorted() -> None:
    runs = [SizedMeasurement(6, measured("a", 60)), SizedMeasurement(1, measured("a", 10))]
    runs += [SizedMeasurement(6, measured("a", 80, number=2))]

    sizes = summarize_sizes(runs)

    assert [(size.replicas, size.summary.rate.median) for size in sizes] == [(1, 10.0), (6, 70.0)]
