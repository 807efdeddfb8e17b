import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from local import layout
from local.errors import LocalError
from local.layout import (
    MAX_CLUSTERS,
    Layout,
    Node,
    cache_root,
    find,
    find_or_claim,
    release,
    remove_leftovers,
    user_state_root,
)

LONGEST_INTERFACE_NAME = 15  # IFNAMSIZ - 1

ALL_CLUSTERS = [Layout(f"cluster-{index}", index) for index in range(MAX_CLUSTERS)]


def machines(cluster: Layout) -> list[Node]:
    return [cluster.control_plane, *cluster.nodes]


# Which number a cluster gets.


def test_clusters_get_the_lowest_free_number() -> None:
    assert [find_or_claim(name).index for name in ("one", "two", "three")] == [0, 1, 2]


def test_a_cluster_gets_the_same_number_again() -> None:
    find_or_claim("one")
    find_or_claim("two")

    assert find_or_claim("two").index == 1


def test_a_number_that_was_given_back_is_taken_again() -> None:
    _, two, _ = [find_or_claim(name) for name in ("one", "two", "three")]
    release(two)

    assert find_or_claim("four").index == 1


def test_folders_that_are_no_clusters_take_no_number() -> None:
    (layout.STATE_ROOT / "lost+found").mkdir(parents=True)
    (layout.STATE_ROOT / "file").touch()

    assert find_or_claim("one").index == 0


def test_there_is_a_last_number() -> None:
    for index in range(MAX_CLUSTERS):
        find_or_claim(f"cluster-{index}")

    with pytest.raises(LocalError, match=f"there are {MAX_CLUSTERS} clusters already"):
        find_or_claim("one-more")


@pytest.mark.parametrize("name", ["a", "ha-counter", "e2e", "a1", "1a", "a--b", "a" * 40])
def test_a_right_name_is_taken(name: str) -> None:
    assert find_or_claim(name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-",
        "-a",
        "a-",
        "A",
        "Counter",
        "a" * 41,
        "a b",
        "a.b",
        "a_b",
        "a/b",
        "../a",
        "a\n",
        "a'b",
        "zähler",
    ],
)
def test_a_wrong_name_is_refused_and_leaves_nothing_behind(name: str) -> None:
    with pytest.raises(LocalError, match="lower-case letters, digits and inner dashes"):
        find_or_claim(name)

    assert not layout.STATE_ROOT.exists()


def test_a_name_of_digits_is_taken() -> None:
    assert find_or_claim("42").name == "42"


def test_a_cluster_has_as_many_nodes_as_it_was_made_with() -> None:
    assert len(find_or_claim("one", 1).nodes) == 1
    assert len(find_or_claim("one").nodes) == 1
    with pytest.raises(LocalError, match="has 1 nodes, not 3"):
        find_or_claim("one", 3)


# Which clusters there are.


def test_a_claimed_cluster_is_found() -> None:
    claimed = find_or_claim("one")

    assert find("one") == claimed


def test_another_is_not() -> None:
    find_or_claim("one")

    assert find("two") is None


def test_a_cluster_whose_number_was_not_written_to_the_end_is_not_found() -> None:
    Layout("one", 0).state.mkdir(parents=True)
    (Layout("one", 0).state / "cluster.json").touch()

    assert find("one") is None


# What is left of a cluster.


def test_a_released_cluster_is_not_found_and_leaves_no_files() -> None:
    cluster = find_or_claim("one")
    for folder in (cluster.logs, cluster.run / "daemons"):
        folder.mkdir(parents=True)

    release(cluster)

    assert find("one") is None
    assert not cluster.state.exists()
    assert not cluster.run.exists()


def test_its_cache_stays() -> None:
    cluster = find_or_claim("one")
    cluster.cache.mkdir(parents=True)

    release(cluster)

    assert cluster.cache.is_dir()


def test_other_clusters_stay() -> None:
    one, two = find_or_claim("one"), find_or_claim("two")

    release(one)

    assert find("two") == two


def test_the_last_cluster_removes_the_folder_of_all() -> None:
    one, two = find_or_claim("one"), find_or_claim("two")
    release(one)

    release(two)

    assert not layout.STATE_ROOT.exists()


# What follows from name and number.


def test_addresses_of_clusters_never_overlap() -> None:
    networks = [cluster.network for cluster in ALL_CLUSTERS]

    assert not any(a.overlaps(b) for a in networks for b in networks if a is not b)


@pytest.mark.parametrize("cluster", ALL_CLUSTERS, ids=lambda cluster: str(cluster.index))
def test_within_a_cluster_everything_has_addresses_of_its_own(cluster: Layout) -> None:
    pods = [node.pod_network for node in cluster.nodes]
    wire = cluster.control_plane.pod_network  # has no pods: machines and image builds are there
    networks = [*pods, wire, cluster.service_network]

    assert not any(a.overlaps(b) for a in networks for b in networks if a is not b)
    assert all(network.subnet_of(cluster.network) for network in networks)


@pytest.mark.parametrize("cluster", ALL_CLUSTERS, ids=lambda cluster: str(cluster.index))
def test_machines_share_a_wire_with_image_builds_and_nothing_else(cluster: Layout) -> None:
    addresses = [cluster.gateway, *(machine.address for machine in machines(cluster))]
    wire = cluster.control_plane.pod_network

    assert len(set(addresses)) == len(addresses)
    assert all(address in wire and address not in cluster.build_network for address in addresses)
    assert cluster.build_network.subnet_of(wire)


def test_dns_is_a_service_and_not_the_api_server_s() -> None:
    [cluster, *_] = ALL_CLUSTERS

    assert cluster.dns_address in cluster.service_network
    assert cluster.dns_address != cluster.service_network[1]


def test_interface_names_are_short_enough_and_unique_on_this_machine() -> None:
    names = [cluster.bridge for cluster in ALL_CLUSTERS]
    names += [machine.veth for cluster in ALL_CLUSTERS for machine in machines(cluster)]

    assert max(map(len, names)) <= LONGEST_INTERFACE_NAME
    assert len(set(names)) == len(names)


def test_namespaces_registries_and_folders_are_unique_on_this_machine() -> None:
    for things in (
        [machine.netns for cluster in ALL_CLUSTERS for machine in machines(cluster)],
        [machine.folder for cluster in ALL_CLUSTERS for machine in machines(cluster)],
        [machine.run for cluster in ALL_CLUSTERS for machine in machines(cluster)],
        [cluster.registry for cluster in ALL_CLUSTERS],
        [cluster.cgroup for cluster in ALL_CLUSTERS],
        [cluster.cache for cluster in ALL_CLUSTERS],
    ):
        assert len(set(things)) == len(things)


def test_one_cluster_serves_localhost() -> None:
    assert [cluster.index for cluster in ALL_CLUSTERS if cluster.serves_localhost] == [0]


@pytest.fixture
def cut_off(monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A cluster whose removal was killed before anything was deleted."""
    one = find_or_claim("one")
    (one.pki).mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            release(one)
    return one


def killed(_folder: Path, *, ignore_errors: bool = False) -> None:
    if not ignore_errors:
        raise KeyboardInterrupt


def test_a_cluster_whose_removal_was_cut_off_is_gone(cut_off: Layout) -> None:
    assert find("one") is None
    assert find("one.removed") is None
    assert not cut_off.state.exists()
    assert find_or_claim("two").index == 0


@pytest.mark.parametrize(
    "finish", [remove_leftovers, lambda: find_or_claim("one"), lambda: release(find_or_claim("two"))]
)
def test_the_next_command_removes_what_is_left_of_it(cut_off: Layout, finish: Callable[[], object]) -> None:
    assert list(layout.STATE_ROOT.glob("*.removed"))

    finish()

    assert not list(layout.STATE_ROOT.glob("*.removed"))
    assert not cut_off.pki.exists()


# Folders of the user.


def test_the_cache_is_where_the_user_s_caches_are(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_root() == home / ".cache" / "ha-counter"

    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")

    assert cache_root() == Path("/elsewhere/ha-counter")


def test_state_is_where_the_user_s_state_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert user_state_root() == home / ".local" / "state" / "ha-counter"

    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")

    assert user_state_root() == Path("/elsewhere/ha-counter")
