"""A replica in a process of its own, which can be paused: `python -m tests.members.one_replica PORT PORT PORT`.

Its clients write what they are told, one line each: a value, "unknown" or "not counted". They go on until its standard
input ends.
"""

import importlib
import sys
import threading

from counter.replica import Replica
from etcd.endpoints import Endpoint
from tests.members.load import ask, replicas

CLIENTS = 4

UNKNOWN = "unknown"
NOT_COUNTED = "not counted"

# So that a pause need not take long.
SHORT_TIMES = {
    "counter.counting.OWNER_LEASE": 3,
    "counter.ownership.OWNER_LEASE": 3,
    "counter.replica.KEEP_INTERVAL": 1.0,
    "counter.replica.FOLD_INTERVAL": 0.5,
}


def main(ports: list[str]) -> None:
    for name, seconds in SHORT_TIMES.items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(module), constant, seconds)
    stopping = threading.Event()
    with replicas([Endpoint("127.0.0.1", int(port)) for port in ports], count=1) as [running]:
        clients = [threading.Thread(target=increment, args=(running.replica, stopping)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        sys.stdin.read()
        stopping.set()
        for client in clients:
            client.join()


def increment(replica: Replica, stopping: threading.Event) -> None:
    while not stopping.is_set():
        answer = ask(replica, number=0)
        told = answer.value or (NOT_COUNTED if answer.is_not_counted else UNKNOWN)
        sys.stdout.write(f"{told}\n")  # in one piece, as other threads write, too
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
