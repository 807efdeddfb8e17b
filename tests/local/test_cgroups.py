"""Control groups in folders that look like them: real ones need root."""

import os
import sys
from pathlib import Path

import pytest

from local import cgroups
from local.errors import LocalError

GROUP = "ha-counter/test"
NO_PROCESS = (1 << 22) + 1  # the highest ID that Linux gives is one less


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there are no control groups")


@pytest.fixture(autouse=True)
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two hierarchies; the first one has cpusets."""
    folders = [tmp_path / "cpuset", tmp_path / "unified"]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "cpuset.cpus").write_text("0-1\n")
    (folders[0] / "cpuset.mems").write_text("0\n")
    monkeypatch.setattr(cgroups, "hierarchies", lambda: folders)
    return folders


def enter(folder: Path, *pids: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))


# Making groups.


def test_a_group_is_made_in_every_hierarchy(roots: list[Path]) -> None:
    cgroups.create(GROUP)

    assert [(root / GROUP).is_dir() for root in roots] == [True, True]


def test_a_group_may_be_there_already(roots: list[Path]) -> None:
    cgroups.create(GROUP)
    enter(roots[0] / GROUP, 1)

    cgroups.create(f"{GROUP}/daemons")

    assert cgroups.processes(GROUP) == {1}


def born_with_empty_cpusets(folder: Path) -> None:
    """As the kernel makes them."""
    folder.mkdir()
    (folder / "cpuset.cpus").write_text("\n")
    (folder / "cpuset.mems").write_text("\n")


def test_each_cpuset_on_the_way_is_its_parent_s(roots: list[Path]) -> None:
    first, second = roots[0] / "ha-counter", roots[0] / GROUP
    born_with_empty_cpusets(first)
    born_with_empty_cpusets(second)

    cgroups.create(GROUP)

    for folder in (first, second):
        assert (folder / "cpuset.cpus").read_text() == "0-1\n"
        assert (folder / "cpuset.mems").read_text() == "0\n"


def test_a_cpuset_that_was_narrowed_stays(roots: list[Path]) -> None:
    born_with_empty_cpusets(roots[0] / "ha-counter")
    (roots[0] / "ha-counter" / "cpuset.cpus").write_text("1\n")

    cgroups.create("ha-counter")

    assert (roots[0] / "ha-counter" / "cpuset.cpus").read_text() == "1\n"


def test_a_process_enters_every_hierarchy(roots: list[Path]) -> None:
    assert cgroups.entry_files(GROUP) == [root / GROUP / "cgroup.procs" for root in roots]


# Who is in a group.


def test_processes_are_found_in_the_group_and_below_it_in_every_hierarchy(roots: list[Path]) -> None:
    enter(roots[0] / GROUP, 11, 12)
    enter(roots[0] / GROUP / "daemons" / "etcd", 13)
    enter(roots[1] / GROUP / "pods", 11, 14)

    assert cgroups.processes(GROUP) == {11, 12, 13, 14}


def test_processes_of_other_groups_are_not(roots: list[Path]) -> None:
    enter(roots[0] / "ha-counter", 1)
    enter(roots[0] / "ha-counter" / "test-2", 2)

    assert cgroups.processes(GROUP) == set()


def test_a_group_that_can_not_be_read_has_no_processes(roots: list[Path]) -> None:
    """The kernel refuses to list the processes of a threaded group."""
    (roots[1] / GROUP / "cgroup.procs").mkdir(parents=True)

    assert cgroups.processes(GROUP) == set()


def test_memory_is_that_of_all_processes(roots: list[Path]) -> None:
    enter(roots[0] / GROUP, os.getpid())

    assert cgroups.memory(GROUP) > 1 << 20


def test_a_process_that_ended_meanwhile_holds_no_memory(roots: list[Path]) -> None:
    enter(roots[0] / GROUP, NO_PROCESS)

    assert cgroups.memory(GROUP) == 0


# Ending processes.


def test_processes_that_do_not_end_are_told(roots: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "KILL_TIMEOUT", 0.01)
    enter(roots[0] / GROUP, NO_PROCESS)

    with pytest.raises(LocalError, match=rf"{GROUP}: processes \[{NO_PROCESS}\] do not end"):
        cgroups.kill(GROUP)


@pytest.mark.parametrize("name", [GROUP, "no/such/group"])
def test_where_there_are_no_processes_there_is_nothing_to_end(name: str) -> None:
    cgroups.create(GROUP)

    cgroups.terminate(name, 60)
    cgroups.kill(name)


# Removing groups.


def test_a_group_is_removed_with_what_is_below_it_and_its_empty_parents(roots: list[Path]) -> None:
    for root in roots:
        (root / GROUP / "daemons" / "etcd").mkdir(parents=True)

    cgroups.remove(GROUP)

    assert [(root / "ha-counter").exists() for root in roots] == [False, False]
    assert [root.exists() for root in roots] == [True, True]


def test_parents_of_other_groups_stay(roots: list[Path]) -> None:
    (roots[0] / GROUP).mkdir(parents=True)
    (roots[0] / "ha-counter" / "other").mkdir()

    cgroups.remove(GROUP)

    assert not (roots[0] / GROUP).exists()
    assert (roots[0] / "ha-counter" / "other").is_dir()


def test_a_group_that_is_not_there_is_removed_already() -> None:
    cgroups.remove(GROUP)
