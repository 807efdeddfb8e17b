"""Counting goes on, exactly, while members are killed, hang, can't serve or are alone."""

import time
from collections.abc import Callable

import pytest

from counter import replica as counter_replica
from tests.members.cluster import Cluster, Member, wait_until
from tests.members.conftest import Report, StartCluster
from tests.members.counting import counting
from tests.members.load import Load, Running

Fault = Callable[[Cluster, list[Running]], Member]

HANG = 10.0  # seconds


def gaps(load: Load, since: float) -> str:
    """How long nobody got a value, how long the worst replica gave none, and how many reads failed."""
    history = load.history
    worst = max(history.longest_gap(since, replica) for replica in {answer.replica for answer in history.answers})
    failed = sum(fetch.count is None for fetch in history.fetches)
    return f"{history.longest_gap(since):5.2f} s {worst:5.2f} s  {failed:3} of {len(history.fetches):4}"


def the_leader(cluster: Cluster, _: list[Running]) -> Member:
    return cluster.leader()


def a_follower_in_use(cluster: Cluster, running: list[Running]) -> Member:
    """A follower, if there is one that a replica keeps to."""
    leader = cluster.leader()
    used = [cluster.member_with_id(one.member()) for one in running]
    return next(member for member in [*used, *cluster.members] if member is not leader)


@pytest.mark.parametrize("with_keys", [False, True], ids=["plain", "keys"])
def test_a_leader_is_killed(cluster: Cluster, report: Report, with_keys: bool) -> None:
    with counting(cluster, with_keys=with_keys) as (_, load):
        leader = cluster.leader()
        leader.kill()
        killed = time.monotonic()
        load.goes_on()
        leader.start()
        cluster.wait_until_whole()
        load.goes_on()
    report(f"{gaps(load, killed)}  the leader killed with -9, {'with' if with_keys else 'without'} keys")


def test_the_leader_is_killed_whom_all_replicas_ask(
    cluster: Cluster, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etcd.client.LEADER_INTERVAL", 0.5)

    def all_ask(leader: Member) -> bool:
        return all(cluster.member_with_id(one.member()) is leader for one in running)

    with counting(cluster) as (running, load):
        leader = cluster.leader()
        wait_until(lambda: all_ask(leader), "all replicas ask the leader")
        leader.kill()
        killed = time.monotonic()
        load.goes_on()
        next_leader = cluster.leader()
        wait_until(lambda: all_ask(next_leader), "all replicas ask the next leader")
        leader.start()
        cluster.wait_until_whole()
        load.goes_on()
    report(f"{gaps(load, killed)}  the leader killed with -9, whom all replicas ask")


@pytest.mark.parametrize("which", [the_leader, a_follower_in_use])
def test_a_member_hangs(cluster: Cluster, report: Report, which: Fault) -> None:
    with counting(cluster) as (running, load):
        member = which(cluster, running)
        member.pause()
        paused = time.monotonic()
        load.goes_on()
        time.sleep(HANG - (time.monotonic() - paused))
        member.resume()
        cluster.wait_until_whole()
    report(f"{gaps(load, paused)}  {which.__name__.replace('_', ' ')} paused for {HANG:.0f} s")


def test_a_follower_is_killed(cluster: Cluster, report: Report) -> None:
    with counting(cluster) as (running, load):
        member = a_follower_in_use(cluster, running)
        member.kill()
        killed = time.monotonic()
        load.goes_on()
        member.start()
        cluster.wait_until_whole()
    report(f"{gaps(load, killed)}  a follower killed with -9")


def test_a_member_is_killed_and_the_next_is_a_learner(start_cluster: StartCluster, report: Report) -> None:
    # etcd would add a learner only once all members have been connected for 5 s.
    cluster = start_cluster("--strict-reconfig-check=false")
    leader = cluster.leader()
    follower, other = (member for member in cluster.members if member is not leader)
    learner = cluster.add_learner()
    # Clients ask the second first, and then go on in this order.
    cluster.members[:] = [leader, follower, learner, other]
    with counting(cluster) as (running, load):
        assert cluster.member_with_id(running[0].member()) is follower
        follower.kill()
        killed = time.monotonic()
        load.goes_on()
    report(f"{gaps(load, killed)}  a follower killed with -9, and the next member is a learner")


def test_without_a_quorum_nothing_is_acknowledged_and_everybody_answered(cluster: Cluster, report: Report) -> None:
    with counting(cluster) as (_, load):
        paused = [member for member in cluster.members if member is not cluster.leader()]
        for member in paused:
            member.pause()
        lost = time.monotonic()
        # What was under way is over, and every client has been told twice.
        seconds = counter_replica.PATIENCE * 2 + 1
        time.sleep(seconds)
        answers = [answer for answer in load.history.answers if answer.at > lost + 1]
        assert all(answer.value is None for answer in answers)
        assert len(answers) >= 12
        found = time.monotonic()
        for member in paused:
            member.resume()
        load.goes_on()
    report(f"{gaps(load, found)}  two members paused, after they go on")
