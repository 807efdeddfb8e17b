"""The experiment: clients increment, and one fault after another is put in, with calm before and after."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from chaos.clients import incrementing, settle
from chaos.faults import Fault
from chaos.history import Answer, History
from chaos.system import System, eventually

# Seconds without a fault between two: what is slow to fail is still the first one's.
CALM = 5.0

# How many increments must get their value in that time. A fault that nobody could notice shows nothing.
LEAST_IN_CALM = 300


@dataclass(frozen=True)
class Plan:
    """What is to happen.

    Attributes:
        increments: How many there are at least.
        clients: How many ask for them at once.
        keyed: How many of the clients use Idempotency-Keys. Records of these are kept for a day, so there is a budget.
        faults: What is put in meanwhile.
    """

    increments: int
    clients: int
    keyed: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Episode:
    """One fault.

    Attributes:
        fault: What was put in.
        calm: How many increments got their value in the calm before it.
        began: When it was put in, by time.monotonic().
        ended: When it was over.
        until: When all was well and had been calm for a while.
    """

    fault: Fault
    calm: int
    began: float
    ended: float
    until: float


@dataclass(frozen=True)
class Experiment:
    """What came of it: all that clients were told from `began` on, while the count went from `before` to `after`."""

    plan: Plan
    before: int
    after: int
    began: float
    ended: float
    episodes: list[Episode]
    answers: list[Answer]


def conduct(system: System, plan: Plan, report: Callable[[Episode, list[Answer]], None]) -> Experiment:
    """Put in all faults, and go on until there are as many increments as planned; then settle what is in doubt.

    `report` is told each episode when it is over, with all answers so far. Raises LocalError if the system does not
    get well again.
    """
    system.wait_until_whole()
    before = system.count()
    began = time.monotonic()
    episodes = []
    with incrementing(system, plan.clients, keyed=plan.keyed) as history:
        calm = _be_calm(history)
        for fault in plan.faults:
            episode, calm = _put_in(system, fault, history, calm)
            report(episode, list(history.answers))
            episodes.append(episode)
        while history.told < plan.increments:
            eventually("another increment", partial(_has_told, history, history.told + 1))
    ended = time.monotonic()
    system.wait_until_whole()
    settle(system, history)
    return Experiment(plan, before, system.count(), began, ended, episodes, history.answers)


def _put_in(system: System, fault: Fault, history: History, calm: int) -> tuple[Episode, int]:
    """The episode, and how many increments got their value in the calm after it."""
    began = time.monotonic()
    fault.put_in(system)
    ended = time.monotonic()
    system.wait_until_whole()
    calm_after = _be_calm(history)
    return Episode(fault, calm, began, ended, time.monotonic()), calm_after


def _be_calm(history: History) -> int:
    """Let clients go on for a while. Returns how many increments got their value."""
    before = history.told
    time.sleep(CALM)
    eventually(f"{LEAST_IN_CALM} increments in calm", partial(_has_told, history, before + LEAST_IN_CALM))
    return history.told - before


def _has_told(history: History, least: int) -> bool:
    return history.told >= least
