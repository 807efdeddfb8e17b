import pytest

from chaos.history import Answer, History, longest_gap, problems


def answer(value: int | None = None, key: str | None = None, asked: float = 1, at: float = 2) -> Answer:
    return Answer(asked, at, value, key)


EXACT = [answer(11), answer(12, "a"), answer(13)]


def test_every_value_once_is_exact() -> None:
    assert problems(EXACT, 10, 13) == []


def test_a_repeated_value_is_named() -> None:
    assert problems([*EXACT, answer(13)], 10, 14) == ["told more than once: 13"]


def test_a_lost_increment_is_told() -> None:
    found = problems(EXACT, 10, 12)

    assert found == [
        "told, but the count went from 10 to 12: 13",
        "1 are lost: 3 were told a value, 2 were counted",
    ]


def test_a_value_from_before_is_named() -> None:
    assert problems([answer(11), answer(10)], 10, 12) == ["told, but the count went from 10 to 12: 10"]


def test_an_increment_that_nobody_asked_for_is_told() -> None:
    [found] = problems(EXACT, 10, 14)

    assert found.startswith("1 were counted that nobody asked for: 4 in all")


@pytest.mark.parametrize("after", [13, 14, 15])
def test_what_went_unanswered_may_have_been_counted(after: int) -> None:
    assert problems([*EXACT, answer(), answer()], 10, after) == []


def test_what_went_unanswered_was_counted_once_at_most() -> None:
    assert problems([*EXACT, answer(), answer()], 10, 16) != []


def test_what_was_told_not_to_be_counted_must_not_be() -> None:
    refused = Answer(1, 2, is_not_counted=True)

    assert problems([*EXACT, refused], 10, 13) == []
    assert problems([*EXACT, refused], 10, 14) != []


def test_repeats_under_a_key_are_one_increment() -> None:
    assert problems([*EXACT, answer(None, "b"), answer(14, "b"), answer(14, "b")], 10, 14) == []


def test_a_key_without_a_value_is_named() -> None:
    assert problems([*EXACT, answer(None, "b")], 10, 13) == ["keys that got no value: b"]


def test_a_key_that_counted_twice_is_named() -> None:
    assert problems([*EXACT, answer(14, "a")], 10, 14) == ["keys that were told different values: a"]


def test_a_key_and_another_increment_can_not_have_the_same_value() -> None:
    assert "told more than once: 13" in problems([*EXACT, answer(13, "b")], 10, 14)


def test_a_value_can_not_be_smaller_than_one_told_before_it_was_asked_for() -> None:
    first, second = answer(12, asked=1, at=2), answer(11, asked=3, at=4)

    assert problems([first, second], 10, 12) == ["asked for when larger ones had been told: 11"]


def test_requests_under_way_at_the_same_time_may_be_counted_in_any_order() -> None:
    assert problems([answer(12, asked=1, at=3), answer(11, asked=2, at=4)], 10, 12) == []


def test_a_repeat_asks_for_what_its_key_asked_for_first() -> None:
    keyed = [answer(None, "a", asked=1, at=2), answer(11, "a", asked=5, at=6), answer(11, "a", asked=9, at=10)]

    assert problems([*keyed, answer(12, asked=3, at=4)], 10, 12) == []


def test_what_is_asked_for_after_a_key_was_told_comes_after_it() -> None:
    assert problems([answer(12, "a", asked=1, at=2), answer(11, asked=3, at=4)], 10, 12) != []


def test_a_message_names_a_few_of_many() -> None:
    assert problems([answer(value) for value in range(11, 31)], 10, 10)[0] == (
        "told, but the count went from 10 to 10: 11, 12, 13, 14, 15 and 15 more"
    )


def test_a_history_counts_values_and_errors() -> None:
    history = History()
    for one in (answer(11), answer(), answer(None, "a"), answer(12, "a")):
        history.record(one)

    assert (history.told, history.errors, history.values) == (2, 2, [11, 12])
    assert history.problems(10, 13) == []


def test_the_longest_gap_is_between_two_values() -> None:
    answers = [answer(2, at=12), answer(1, at=11), answer(at=13), answer(3, at=15)]

    assert longest_gap(answers, 10, 16) == 3


def test_a_gap_may_begin_with_the_time_and_last_to_its_end() -> None:
    answers = [answer(1, at=14), answer(2, at=15)]

    assert longest_gap(answers, 10, 16) == 4
    assert longest_gap(answers, 14, 20) == 5
    assert longest_gap([], 10, 16) == 6
