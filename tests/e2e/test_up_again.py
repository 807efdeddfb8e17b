"""`make up` on a system that runs: what changed is rolled out, what did not is left alone."""

import re
from pathlib import Path

import pytest

from chaos.system import System, eventually
from local import pulumi_cli
from tests.e2e.conftest import CLUSTER
from tests.e2e.system import copy_of_checkout, make, uids

with_our_engine = pytest.mark.skipif(pulumi_cli.path() is not None, reason="the Pulumi CLI previews in its own words")


def test_with_nothing_changed_nothing_happens(system: System) -> None:
    pods = uids([*system.pods("counter"), *system.pods("etcd")])
    printed = make("up", CLUSTER)
    # The one engine says the one, the other the other.
    assert "0 changed" in printed or re.search(r"^Resources:\n +\d+ unchanged$", printed, re.MULTILINE), printed
    assert uids([*system.pods("counter"), *system.pods("etcd")]) == pods


@with_our_engine
def test_with_nothing_changed_a_preview_says_so(system: System) -> None:
    del system
    assert "\n0 would change, " in make("preview", CLUSTER)


@with_our_engine
def test_a_preview_names_what_was_changed_by_hand(system: System) -> None:
    system.kubectl("scale", "deployment", "counter-deployment", "--replicas=2")
    eventually("two replicas", lambda: len(system.pods("counter")) == 2)
    try:
        printed = make("preview", CLUSTER)
        assert "  Deployment ha-counter/counter-deployment: would be changed\n      spec.replicas: 2 -> 3\n" in printed
        assert "\n1 would change, " in printed
        assert len(system.pods("counter")) == 2
    finally:
        make("up", CLUSTER)


@with_our_engine
def test_a_preview_of_a_changed_line_builds_nothing(system: System, tmp_path: Path) -> None:
    pods = uids([*system.pods("counter"), *system.pods("etcd")])
    changed = copy_of_checkout(tmp_path)
    with (changed / "app/counter/__init__.py").open("a") as file:
        file.write("\n# changed\n")
    printed = make("preview", CLUSTER, changed)
    assert "/ha-counter-counter:dev: would be built\n" in printed
    assert "  Deployment ha-counter/counter-deployment: would be changed\n" in printed
    assert " -> (known after `up`)\n" in printed
    assert uids([*system.pods("counter"), *system.pods("etcd")]) == pods
    assert "\n0 would change, " in make("preview", CLUSTER)


def test_a_changed_line_rolls_the_counters_and_nothing_else(system: System, tmp_path: Path) -> None:
    count = system.count()
    counters, members = uids(system.pods("counter")), uids(system.pods("etcd"))
    changed = copy_of_checkout(tmp_path)
    with (changed / "app/counter/__init__.py").open("a") as file:
        file.write("\n# changed\n")
    try:
        make("up", CLUSTER, changed)
        assert not uids(system.pods("counter")) & counters
        assert uids(system.pods("etcd")) == members
        assert system.count() == count
    finally:
        make("up", CLUSTER)
