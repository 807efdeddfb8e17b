"""`make up` on a system that runs: what changed is rolled out, what did not is left alone."""

import re
from pathlib import Path

from tests.e2e.conftest import CLUSTER
from tests.e2e.system import System, copy_of_checkout, make, uids


def test_with_nothing_changed_nothing_happens(system: System) -> None:
    pods = uids([*system.pods("counter"), *system.pods("etcd")])
    printed = make("up", CLUSTER)
    # The one engine says the one, the other the other.
    assert "0 changed" in printed or re.search(r"^Resources:\n +\d+ unchanged$", printed, re.MULTILINE), printed
    assert uids([*system.pods("counter"), *system.pods("etcd")]) == pods


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
