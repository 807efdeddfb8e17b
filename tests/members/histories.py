"""Random histories of faults, one after another and at once, each of which must end whole and exact:

    unshare --mount --net --pid --fork --kill-child --mount-proc \\
        python -m tests.members.histories PROGRAMS --histories 100 --seed 1

Nothing is waited for between two faults but a random moment. A history that waits for somebody's decision gets one.
"""

import argparse
import itertools
import logging
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from chaos.history import miscounted
from controller.record import Record, Wish
from counter.epoch import EpochStore
from etcd.endpoints import Endpoint
from tests.members.cluster import wait_until
from tests.members.deployment import Deployment, deployed, isolate
from tests.members.healing import ask, hashes_are_equal, is_whole
from tests.members.load import Load, count_of, replicas

_FAULTS_EACH = 4
_LONGEST_PAUSE = 3.0

# Seconds in which a history must end whole by itself, or else a person decides, and then it must.
_HEALS_WITHIN = 40.0

_ENDPOINTS = [Endpoint(f"etcd{member}", 2379) for member in range(5)]

Fault = Callable[[Deployment, random.Random], None]


def _present(deployment: Deployment) -> list[int]:
    return [member for member, pod in deployment.kubernetes.pods.items() if not (pod.dead or pod.leaving)]


def lose_volumes(deployment: Deployment, chance: random.Random) -> None:
    """Of one member mostly, or of more."""
    present = _present(deployment)
    for member in chance.sample(present, min(len(present), chance.choice([1, 1, 1, 2, 3]))):
        deployment.kubernetes.lose_volume(member)


def kill(deployment: Deployment, chance: random.Random) -> None:
    """Some members' processes."""
    present = _present(deployment)
    for member in chance.sample(present, chance.randint(1, len(present))):
        deployment.kubernetes.kill(member)


def delete(deployment: Deployment, chance: random.Random) -> None:
    """A pod, in good order."""
    deployment.kubernetes.remove(chance.choice(_present(deployment)))


def pause(deployment: Deployment, chance: random.Random) -> None:
    """A member hangs."""
    process = deployment.kubernetes.pods[chance.choice(_present(deployment))].process
    if process is not None and process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        time.sleep(chance.uniform(0.5, 4))
        process.send_signal(signal.SIGCONT)


def restart_controller(deployment: Deployment, chance: random.Random) -> None:
    """It is away for a moment, and knows nothing afterwards but the record."""
    deployment.stop_controller()
    time.sleep(chance.uniform(0, 3))
    deployment.start_controller()


def restart_backup(deployment: Deployment, chance: random.Random) -> None:
    """It is killed, and away for a moment."""
    deployment.stop_backup()
    time.sleep(chance.uniform(0, 3))
    deployment.start_backup()


def resize(deployment: Deployment, chance: random.Random) -> None:
    """Another number of members is wanted."""
    deployment.kubernetes.members_wanted = chance.choice([1, 3, 3, 5])


def restore(deployment: Deployment, chance: random.Random) -> None:
    """A person asks for a new epoch."""
    del chance
    ask(deployment, Wish.CONTINUE)


def delete_record(deployment: Deployment, chance: random.Random) -> None:
    """Somebody empties the record."""
    del chance
    kubernetes = deployment.kubernetes
    with kubernetes.lock:
        kubernetes.record, kubernetes.version = Record(), kubernetes.version + 1


FAULTS: tuple[Fault, ...] = (
    lose_volumes,
    lose_volumes,
    lose_volumes,
    kill,
    delete,
    restart_controller,
    restart_controller,
    restart_backup,
    resize,
    restore,
    delete_record,
)


class _Epochs:
    """When each epoch was first seen in the record."""

    def __init__(self, deployment: Deployment) -> None:
        self.began = [time.monotonic()]
        self._deployment = deployment
        self._cluster = self._now()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _now(self) -> int:
        cluster = self._deployment.kubernetes.record.cluster
        return cluster.epoch.cluster if cluster is not None else 0

    def _watch(self) -> None:
        while not self._stopping.wait(0.01):
            now = self._now()
            if now and now != self._cluster:
                self.began.append(time.monotonic())
                self._cluster = now


def run(deployment: Deployment, chance: random.Random) -> list[str]:
    """One history. Returns what was done."""
    done = []
    with _counting(deployment) as load, closing(_Epochs(deployment)) as epochs:
        wait_until(deployment.has_proven_snapshot, "there is a snapshot")
        for _ in range(_FAULTS_EACH):
            time.sleep(chance.uniform(0, _LONGEST_PAUSE))
            fault = chance.choice(FAULTS)
            done.append(fault.__name__)
            fault(deployment, chance)
        _wait_until_whole(deployment, done)
        load.goes_on()
    _check(load, epochs)
    hashes_are_equal(deployment.kubernetes.members_wanted)
    return done


def _wait_until_whole(deployment: Deployment, done: list[str]) -> None:
    try:
        wait_until(lambda: is_whole(deployment), "it heals by itself", _HEALS_WITHIN)
    except AssertionError:
        says = deployment.says()
        if "make restore" not in says:
            raise AssertionError(f"not whole after {done}: {says}") from None
        done.append(f"decided: {says}")
        ask(deployment, Wish.CONTINUE)
        try:
            wait_until(lambda: is_whole(deployment), "it heals as was asked for", _HEALS_WITHIN)
        except AssertionError:
            raise AssertionError(f"not whole after {done}: {deployment.says()}") from None


def _check(load: Load, epochs: _Epochs) -> None:
    """Each epoch's values are told once, and the last one's are those that the count has."""
    for since, until in itertools.pairwise([*epochs.began, time.monotonic()]):
        values = load.history.values(since, until)
        assert len(values) == len(set(values)), "a value was told twice in one epoch"
    last = load.history.values(epochs.began[-1])
    # One that nobody knows of, from before, may have waited and been counted in this epoch.
    unknown = load.history.unknown()
    problems = miscounted(last, unknown, min(last) - 1, count_of(_ENDPOINTS))
    assert not problems, problems


@contextmanager
def _counting(deployment: Deployment) -> Iterator[Load]:
    del deployment
    with replicas(_ENDPOINTS, store_of=EpochStore) as running, closing(Load(running, clients=2)) as load:
        load.goes_on()
        yield load


def main() -> int:
    """Returns 0 if all were exact."""
    parser = argparse.ArgumentParser(prog="tests.members.histories", description=__doc__)
    parser.add_argument("programs", type=Path, help="the folder with etcd's programs")
    parser.add_argument("--histories", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the first; then the next")
    parser.add_argument("--verbose", action="store_true", help="show what the controller says")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="histories-"))
    isolate(arguments.programs, folder)
    failed = 0
    for seed in range(arguments.seed, arguments.seed + arguments.histories):
        one = folder / str(seed)
        one.mkdir()
        began = time.monotonic()
        try:
            with deployed(one) as deployment:
                wait_until(lambda d=deployment: is_whole(d), "it is whole")  # type: ignore[misc]
                done = run(deployment, random.Random(seed))
        except AssertionError as error:
            failed += 1
            print(f"seed {seed}: FAILED after {time.monotonic() - began:.0f} s: {error}", flush=True)
            continue
        print(f"seed {seed}: exact, {time.monotonic() - began:.0f} s: {', '.join(done)}", flush=True)
        shutil.rmtree(one)
    print(f"{arguments.histories - failed} of {arguments.histories} exact; {folder} has the logs of the others")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
