"""Exact, whatever fails: fifty clients increment while one part after the other is killed or hangs, or is rolled.

The short form of `make chaos`. How long clients wait is printed and not checked: other work takes part in it here.
"""

import pytest

from chaos import checks, report
from chaos.effects import effect
from chaos.experiment import Plan, conduct
from chaos.faults import named
from chaos.system import System


@pytest.mark.parametrize(
    ("keyed", "faults"),
    [
        (10, ("leader-killed", "member-hangs", "replica-killed", "replica-hangs", "counter-rolled")),
        # Without keys replicas share all transactions.
        (0, ("leader-killed", "replica-killed", "replica-hangs", "counter-rolled")),
    ],
    ids=["keys", "no-keys"],
)
def test_no_fault_costs_or_adds_an_increment(system: System, keyed: int, faults: tuple[str, ...]) -> None:
    plan = Plan(increments=10_000, clients=50, keyed=keyed, faults=named(faults))
    experiment = conduct(system, plan, lambda episode, answers: print(report.line(effect(episode, answers, 0))))
    print(report.totals(experiment))
    assert [check for check in checks.exactness(system, experiment) if check.problems] == []
