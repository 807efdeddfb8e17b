"""How many increments there are with fewer and with more replicas of the counter."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.rounds import Measurement, Plan, measure_once
from bench.targets import Target

SIZES = (1, 2, 3, 6)
CONCURRENCY = 50


@dataclass(frozen=True)
class SizedMeasurement:
    """One run on so many replicas."""

    replicas: int
    measurement: Measurement


def runs(plan: Plan) -> int:
    """How many runs a plan has in all."""
    return plan.rounds * len(SIZES)


def measure(
    plan: Plan,
    target: Target,
    address: str,
    scale: Callable[[int], None],
    report: Callable[[SizedMeasurement], None],
) -> list[SizedMeasurement]:
    """Put load on the target with each number of replicas in each round, up and down in turn.

    Args:
        plan: How many rounds, and how long each run takes; the concurrency is always the same.
        target: What to measure.
        address: A node's.
        scale: Gives the target so many replicas.
        report: Is told each run when it is over.

    Raises LocalError if the target does not answer.
    """
    measurements = []
    for number in range(1, plan.rounds + 1):
        for replicas in SIZES if number % 2 else SIZES[::-1]:
            scale(replicas)
            run = measure_once(target, address, number, CONCURRENCY, plan.seconds)
            measurements.append(SizedMeasurement(replicas, run))
            report(measurements[-1])
    return measurements
