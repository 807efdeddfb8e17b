import pytest

from chaos.effects import Second, effect, seconds
from chaos.experiment import Episode
from chaos.faults import Fault
from chaos.history import Answer

START = 100.0


def fault(most_gap: float | None = 1, most_errors: int | None = None, is_outage: bool = False) -> Fault:
    return Fault("it-breaks", "it breaks", lambda _: None, most_gap, most_errors, is_outage)


def episode(put_in: Fault) -> Episode:
    """One that begins 10 s after the clients, lasts 5 s, and ends in calm."""
    return Episode(put_in, 500, START + 10, START + 15, START + 20)


def answers(*values_at: float, errors_at: tuple[float, ...] = ()) -> list[Answer]:
    told = [Answer(0, START + at, number) for number, at in enumerate(values_at, start=1)]
    return [*told, *(Answer(0, START + at) for at in errors_at)]


def test_an_effect_tells_what_clients_saw_from_the_fault_to_the_calm() -> None:
    seen = effect(episode(fault()), answers(9, 11, 14, 19, 21, errors_at=(9.5, 12, 13, 20.5)), START)

    assert (seen.fault, seen.calm, seen.began, seen.ended, seen.until) == ("it breaks", 500, 10, 15, 20)
    assert (seen.told, seen.errors, seen.gap) == (3, 2, 5)


def test_the_gap_of_an_outage_begins_when_it_is_over() -> None:
    seen = effect(episode(fault(is_outage=True)), answers(10.1, 17, 19), START)

    assert seen.gap == 2


def test_a_fault_from_which_nothing_came_back_shows_in_its_gap() -> None:
    assert effect(episode(fault()), answers(9, 10.5), START).gap == 9.5


@pytest.mark.parametrize(
    ("put_in", "missed"),
    [
        (fault(most_gap=3.5, most_errors=2), []),
        (fault(most_gap=None), []),
        (fault(most_gap=3), ["it breaks: 3.5 s without an increment, and not 3 s at most"]),
        (fault(most_gap=4, most_errors=1), ["it breaks: 2 requests failed, and not 1 at most"]),
    ],
)
def test_a_missed_goal_is_told(put_in: Fault, missed: list[str]) -> None:
    told = answers(11, 14.5, 16, 18, 19.9, errors_at=(12, 13))

    assert effect(episode(put_in), told, START).misses == missed


def test_seconds_tell_values_errors_and_gaps_where_they_end() -> None:
    told = answers(0.5, 0.75, 3.25, 4.5, errors_at=(1.5, 2.5, 2.75))

    assert seconds(told, START, START + 4.25) == [
        Second(told=2, errors=0, gap=0.5),
        Second(told=0, errors=1, gap=0),
        Second(told=0, errors=2, gap=0),
        Second(told=1, errors=0, gap=2.5),
    ]
