"""What clients were told, and whether it can be true: a history and its checker."""

import itertools
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

# How many values a message names.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request for an increment.

    Attributes:
        asked: When it was sent, by time.monotonic().
        at: When it was answered, or given up.
        value: What it was told; None: nothing, which is an error.
        key: Its Idempotency-Key, if it had one.
        is_not_counted: Whether it got no value, but is known not to have been counted.
    """

    asked: float
    at: float
    value: int | None = None
    key: str | None = None
    is_not_counted: bool = False


@dataclass
class History:
    """All answers. Clients record theirs at the same time."""

    answers: list[Answer] = field(default_factory=list)
    told: int = 0  # how many of them have a value
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def record(self, answer: Answer) -> None:
        with self._lock:
            self.answers.append(answer)
            self.told += answer.value is not None

    @property
    def errors(self) -> int:
        """How many answers have no value."""
        return len(self.answers) - self.told

    @property
    def values(self) -> list[int]:
        """The values of all increments that were told one."""
        return values(self.answers)

    def problems(self, before: int, after: int) -> list[str]:
        """What is wrong with it; see `problems`."""
        return problems(self.answers, before, after)


def values(answers: Sequence[Answer]) -> list[int]:
    """The values of increments. Of what a key was told, each value once: a repeat is no increment."""
    without_key = [answer.value for answer in answers if answer.value is not None and answer.key is None]
    return [*without_key, *itertools.chain.from_iterable(keys(answers).values())]


def unknown(answers: Iterable[Answer]) -> int:
    """How many increments without a key may or may not have been counted."""
    return sum(answer.value is None and answer.key is None and not answer.is_not_counted for answer in answers)


def keys(answers: Iterable[Answer]) -> dict[str, set[int]]:
    """All keys that were asked under, and the values that each was told: one, if it is settled."""
    found: dict[str, set[int]] = {}
    for answer in answers:
        if answer.key is not None:
            told = found.setdefault(answer.key, set())
            if answer.value is not None:
                told.add(answer.value)
    return found


def problems(answers: Sequence[Answer], before: int, after: int) -> list[str]:
    """What is wrong with a history in which the count rose from `before` to `after`. Nothing: it is exact."""
    return [
        *miscounted(values(answers), unknown(answers), before, after),
        *_problems_of_keys(answers),
        *_out_of_order(answers),
    ]


def miscounted(values: Sequence[int], unknown: int, before: int, after: int) -> list[str]:
    """What is wrong with a count that rose from `before` to `after`, while so many increments were told these values,
    and of so many more nobody knows whether they were counted. Nothing: it is exact."""
    found = []
    if repeated := sorted(value for value, times in Counter(values).items() if times > 1):
        found.append(f"told more than once: {_some(repeated)}")
    if lost := sorted(value for value in values if not before < value <= after):
        found.append(f"told, but the count went from {before} to {after}: {_some(lost)}")
    counted, told = after - before, len(values)
    if counted < told:
        found.append(f"{told - counted} are lost: {told} were told a value, {counted} were counted")
    if counted > told + unknown:
        found.append(
            f"{counted - told - unknown} were counted that nobody asked for: {counted} in all, of which {told} "
            f"were told a value and at most {unknown} were not"
        )
    return found


def _problems_of_keys(answers: Sequence[Answer]) -> list[str]:
    found = keys(answers)
    several = sorted(key for key, values in found.items() if len(values) > 1)
    none = sorted(key for key, values in found.items() if not values)
    return [
        *([f"keys that were told different values: {_some(several)}"] if several else []),
        *([f"keys that got no value: {_some(none)}"] if none else []),
    ]


def _out_of_order(answers: Sequence[Answer]) -> list[str]:
    """A value must be larger than all that were told before it was asked for."""
    asked: dict[str, float] = {}
    for answer in answers:
        if answer.key is not None:
            asked[answer.key] = min(answer.asked, asked.get(answer.key, answer.asked))
    tellings = sorted((answer.at, answer.value) for answer in answers if answer.value is not None)
    moments = [at for at, _ in tellings]
    largest = [0, *itertools.accumulate((value for _, value in tellings), max)]
    late = set()
    for answer in answers:
        if answer.value is not None:
            began = answer.asked if answer.key is None else asked[answer.key]
            if answer.value < largest[bisect_left(moments, began)]:
                late.add(answer.value)
    return [f"asked for when larger ones had been told: {_some(sorted(late))}"] if late else []


def longest_gap(answers: Iterable[Answer], begin: float, end: float) -> float:
    """The longest time in seconds without an increment that got its value, between two moments."""
    moments = sorted(answer.at for answer in answers if answer.value is not None and begin < answer.at < end)
    return max(later - earlier for earlier, later in itertools.pairwise([begin, *moments, end]))


def _some(found: Sequence[object]) -> str:
    named = ", ".join(map(str, found[:NAMED]))
    return f"{named} and {len(found) - NAMED} more" if len(found) > NAMED else named
