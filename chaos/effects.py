"""What clients saw of each fault, and how it went second by second."""

from collections.abc import Sequence
from dataclasses import dataclass

from chaos.experiment import Episode
from chaos.history import Answer, longest_gap


@dataclass(frozen=True)
class Effect:
    """What clients saw of one fault. Moments are seconds since they began.

    Attributes:
        fault: The fault's title.
        calm: How many increments got their value in the calm before it.
        began: When it was put in.
        ended: When it was over.
        until: When all was well and had been calm for a while. So far all that happens is taken for the fault's doing.
        told: How many increments got their value.
        gap: The longest time in seconds in which none did.
        most_gap: What it may be, if that is limited.
        errors: How many requests got no value.
        most_errors: How many may, if that is limited.
    """

    fault: str
    calm: int
    began: float
    ended: float
    until: float
    told: int
    gap: float
    most_gap: float | None
    errors: int
    most_errors: int | None

    @property
    def misses(self) -> list[str]:
        """The goals that were missed."""
        found = []
        if self.most_gap is not None and self.gap > self.most_gap:
            found.append(f"{self.fault}: {self.gap:.1f} s without an increment, and not {self.most_gap:g} s at most")
        if self.most_errors is not None and self.errors > self.most_errors:
            found.append(f"{self.fault}: {self.errors} requests failed, and not {self.most_errors} at most")
        return found


@dataclass(frozen=True)
class Second:
    """One second: how many increments got their value, how many requests got none, and the longest time in seconds
    without a value that came to its end."""

    told: int
    errors: int
    gap: float


def effect(episode: Episode, answers: Sequence[Answer], start: float) -> Effect:
    """What clients, who began at `start`, saw of a fault."""
    fault = episode.fault
    meanwhile = [answer for answer in answers if episode.began <= answer.at < episode.until]
    told = sum(answer.value is not None for answer in meanwhile)
    return Effect(
        fault=fault.title,
        calm=episode.calm,
        began=episode.began - start,
        ended=episode.ended - start,
        until=episode.until - start,
        told=told,
        gap=longest_gap(meanwhile, episode.ended if fault.is_outage else episode.began, episode.until),
        most_gap=fault.most_gap,
        errors=len(meanwhile) - told,
        most_errors=fault.most_errors,
    )


def seconds(answers: Sequence[Answer], start: float, end: float) -> list[Second]:
    """Every whole second between two moments."""
    number = int(end - start)
    told, errors, gaps = [0] * number, [0] * number, [0.0] * number
    last = start
    for answer in sorted(answers, key=lambda answer: answer.at):
        second = int(answer.at - start)
        if not 0 <= second < number:
            continue
        if answer.value is None:
            errors[second] += 1
        else:
            told[second] += 1
            gaps[second] = max(gaps[second], answer.at - last)
            last = answer.at
    return [Second(*values) for values in zip(told, errors, gaps, strict=True)]
