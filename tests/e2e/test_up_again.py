"""`make up` on a system that runs: what changed is rolled out, what did not is left alone."""

from pathlib import Path

from tests.e2e.conftest import CLUSTER
from tests.e2e.system import System, copy_of_checkout, eventually, make, uids


def test_with_nothing_changed_nothing_happens(system: System) -> None:
    pods = uids([*system.pods("counter"), *system.pods("etcd")])
    assert "\n0 changed, " in make("up", CLUSTER)
    assert uids([*system.pods("counter"), *system.pods("etcd")]) == pods


def test_with_nothing_changed_a_preview_says_so(system: System) -> None:
    del system
    assert "\n0 would change, " in make("preview", CLUSTER)


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
