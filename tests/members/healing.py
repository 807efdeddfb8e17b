"""What heals by itself, tried on launchers, etcds, backup and controller as they are: `... healing SCENARIO [SEED]`.

Each scenario ends with exit code 0 if all went as it must, and prints what it took.
"""

import argparse
import itertools
import logging
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

from controller.record import Request, Wish
from counter.epoch import EpochStore
from etcd.endpoints import Endpoint
from etcd.member import connect_to
from tests.members.cluster import Member, wait_until
from tests.members.deployment import Deployment, deployed, isolate
from tests.members.load import Load, replicas

# Seconds of increments that a total loss may cost: the log is written every 0.2 s, and known to be complete each 0.5.
LOST = 1.0


class Counting:
    """Clients that count all the time, and what they were told, in each epoch for itself."""

    def __init__(self, deployment: Deployment, load: Load) -> None:
        self.deployment = deployment
        self.load = load
        self._began = [time.monotonic()]

    def goes_on(self, what: str, seconds: float = 60.0) -> float:
        """Wait until somebody is told a count, and return how long that took."""
        began = time.monotonic()
        seen = len(self.load.history.answers)
        wait_until(lambda: any(a.value is not None for a in self.load.history.answers[seen:]), what, seconds)
        return time.monotonic() - began

    def epoch_rose(self, *, log_lags: bool) -> int:
        """Note that another epoch has begun, and return how many counts of the one before are lost."""
        now = time.monotonic()
        before = self.load.history.values(self._began[-1], now)
        self._began.append(now)
        self.goes_on("the new epoch counts")
        after = self.load.history.values(now)
        kept = min(after) - 1
        lost = max(before, default=0) - kept
        lately = len(self.load.history.values(max(self._began[-2], self.lost_at - LOST), now))
        assert log_lags or lost <= lately, f"{lost} increments are lost, {lately} were told in the last {LOST} s"
        return max(0, lost)

    lost_at = 0.0

    def failed(self, since: float) -> int:
        """How many increments got no value since then."""
        return sum(answer.value is None for answer in self.load.history.answers if answer.at >= since)

    def check(self) -> None:
        """No value was told twice in an epoch, and each count is the one after another."""
        for since, until in itertools.pairwise([*self._began, time.monotonic()]):
            values = self.load.history.values(since, until)
            assert len(values) == len(set(values)), "a value was told twice in one epoch"


def volume(deployment: Deployment, chance: random.Random) -> None:
    """One volume and its pod are gone, each member's once."""
    with counting(deployment) as counts:
        for member in chance.sample(range(3), 3):
            began = time.monotonic()
            deployment.kubernetes.lose_volume(member)
            took = whole(deployment)
            print(
                f"volume of etcd-{member} lost: it votes after {took:.1f} s, {counts.failed(began)} increments failed"
            )
            assert counts.failed(began) == 0
        hashes_are_equal()


def two_volumes(deployment: Deployment, chance: random.Random) -> None:
    """Two volumes are gone: the third's data and the log are what is left."""
    with counting(deployment) as counts:
        time.sleep(2)
        for member in chance.sample(range(3), 2):
            deployment.kubernetes.lose_volume(member)
        restored(deployment, counts, "two volumes")
        whole(deployment)
        hashes_are_equal()


def all_volumes(deployment: Deployment, chance: random.Random) -> None:
    """All volumes are gone, twice: then in an epoch that was restored."""
    with counting(deployment) as counts:
        for _ in range(2):
            time.sleep(2)
            for member in chance.sample(range(3), 3):
                deployment.kubernetes.lose_volume(member)
            restored(deployment, counts, "all volumes")
            whole(deployment)
        hashes_are_equal()


def without_backup(deployment: Deployment, chance: random.Random) -> None:
    """All volumes are gone while backup is away: it waits, and heals when backup is back."""
    del chance
    with counting(deployment) as counts:
        time.sleep(2)
        deployment.stop_backup()
        for member in range(3):
            deployment.kubernetes.lose_volume(member)
        time.sleep(10)
        cluster = deployment.kubernetes.record.cluster
        assert cluster is not None
        assert cluster.epoch.number == 1, "it did not wait"
        deployment.start_backup()
        restored(deployment, counts, "all volumes, and backup away for 10 s", log_lags=True)
        whole(deployment)


def sizes(deployment: Deployment, chance: random.Random) -> None:
    """Three members become five, three, one, and three again."""
    del chance
    with counting(deployment) as counts:
        for size in (5, 3, 1, 3):
            began = time.monotonic()
            deployment.kubernetes.members_wanted = size
            took = whole(deployment)
            print(f"{size} members: after {took:.1f} s, {counts.failed(began)} increments failed")
            assert counts.failed(began) == 0
            wait_until(lambda: len(deployment.kubernetes.volumes) == deployment.kubernetes.members_wanted, "claims go")


def node(deployment: Deployment, chance: random.Random) -> None:
    """A node is gone for good, and a person says so; then another one together with a volume."""
    with counting(deployment) as counts:
        first = chance.randrange(3)
        deployment.kubernetes.lose_node(first)
        time.sleep(5)
        began = time.monotonic()
        ask(deployment, Wish.REPLACE, first)
        took = whole(deployment)
        print(f"node of etcd-{first} replaced {took:.1f} s after that was asked for, {counts.failed(began)} failed")
        assert counts.failed(began) == 0
        second, third = chance.sample(range(3), 2)
        deployment.kubernetes.lose_node(second)
        deployment.kubernetes.lose_volume(third)
        time.sleep(5)
        ask(deployment, Wish.REPLACE, second)
        restored(deployment, counts, "one volume, and a node that a person says is gone")
        whole(deployment)


def record_deleted(deployment: Deployment, chance: random.Random) -> None:
    """The record is deleted: what runs is taken over, and goes on to heal."""
    with counting(deployment) as counts:
        began = time.monotonic()
        kubernetes = deployment.kubernetes
        with kubernetes.lock:
            kubernetes.record, kubernetes.version = type(kubernetes.record)(), kubernetes.version + 1
        wait_until(lambda: kubernetes.record.cluster is not None, "it is taken over")
        kubernetes.lose_volume(chance.randrange(3))
        print(f"after the record was deleted: a lost volume votes after {whole(deployment):.1f} s")
        assert counts.failed(began) == 0


SCENARIOS: dict[str, Callable[[Deployment, random.Random], None]] = {
    scenario.__name__: scenario
    for scenario in (volume, two_volumes, all_volumes, without_backup, sizes, node, record_deleted)
}


@contextmanager
def counting(deployment: Deployment) -> Iterator[Counting]:
    """Three replicas count, and some of their clients use keys."""
    endpoints = [Endpoint(f"etcd{member}", 2379) for member in range(5)]
    with replicas(endpoints, store_of=EpochStore) as running, closing(Load(running, clients=2)) as load:
        load.goes_on()
        counts = Counting(deployment, load)
        yield counts
        load.goes_on()
    counts.check()


def restored(deployment: Deployment, counts: Counting, what: str, *, log_lags: bool = False) -> None:
    """Wait until another epoch counts; print what it took and what is lost."""
    began = counts.lost_at = time.monotonic()
    epoch = _epoch(deployment)
    wait_until(lambda: _epoch(deployment) > epoch, f"{what}: another epoch begins")
    lost = counts.epoch_rose(log_lags=log_lags)
    counts.goes_on("it counts")
    print(f"{what}: counts after {time.monotonic() - began:.1f} s, {lost} increments are lost")


def _epoch(deployment: Deployment) -> int:
    cluster = deployment.kubernetes.record.cluster
    return cluster.epoch.number if cluster is not None else 0


def ask(deployment: Deployment, wish: Wish, member: int = -1) -> None:
    """A person asks for something."""
    kubernetes = deployment.kubernetes
    with kubernetes.lock:
        request = Request(f"request-{time.monotonic()}", wish, "", member)
        kubernetes.record, kubernetes.version = replace(kubernetes.record, request=request), kubernetes.version + 1


def whole(deployment: Deployment) -> float:
    """Wait until all members vote, and return how long that took."""
    began = time.monotonic()
    wait_until(lambda: is_whole(deployment), "all members vote")
    return time.monotonic() - began


def is_whole(deployment: Deployment) -> bool:
    """Return whether all members that are wanted vote, and there are no others."""
    wanted = deployment.kubernetes.members_wanted
    cluster = deployment.kubernetes.record.cluster
    if (
        cluster is None
        or cluster.change is not None
        or len(cluster.voters) != wanted
        or deployment.kubernetes.replicas != wanted
    ):
        return False
    if any(voter.learner for voter in cluster.voters):
        return False
    found = [member(number).status() for number in range(wanted)]
    return all(
        status is not None and status.leader and status.header.cluster_id == cluster.epoch.cluster for status in found
    ) and {status.header.member_id for status in found if status} == {voter.entry for voter in cluster.voters}


def hashes_are_equal(members: int = 3) -> None:
    """All members have the same data."""
    with ExitStack() as stack:
        found = [stack.enter_context(connect_to(member(number).endpoint)) for number in range(members)]
        revision = max(one.status().revision for one in found)
        wait_until(lambda: all(one.status().revision >= revision for one in found), "all have the newest revision")
        assert len({one.hash(revision).value for one in found}) == 1, "members' data differ"


def member(number: int) -> Member:
    """How a member of the deployment is asked for its status."""
    return Member(f"etcd{number}", Path(), 2379, 2380, host=f"10.99.0.{10 + number}")


def main() -> int:
    """Returns 0 if all went as it must."""
    parser = argparse.ArgumentParser(prog="tests.members.healing", description=__doc__)
    parser.add_argument("programs", type=Path, help="the folder with etcd's programs")
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--verbose", action="store_true", help="show what the controller says")
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.ERROR, format="%(relativeCreated)7d %(message)s"
    )
    print(f"{arguments.scenario}, seed {arguments.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="healing-"))
    isolate(arguments.programs, folder)
    with deployed(folder) as deployment:
        whole(deployment)
        SCENARIOS[arguments.scenario](deployment, random.Random(arguments.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
