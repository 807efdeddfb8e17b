"""Run one replica: `python -m counter`."""

import argparse
import logging
import os
import sys
import threading
from contextlib import closing
from functools import partial

from counter import settings
from counter.api import Dependencies, begin, create_app
from counter.etcd import EtcdClient
from counter.reads import Reads
from counter.replica import Replica
from counter.server import Server, serve

# Seconds that the number of members may be old when /healthz tells it: probes and load are not to add up on etcd.
MEMBERS_MAX_AGE = 0.5


def main() -> int:
    """Serve until the process is told to stop.

    Returns the exit code: 0 after a stop that was asked for, 2 if the environment is wrong.
    """
    argparse.ArgumentParser(
        prog="counter",
        description=__doc__,
        epilog=settings.describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        config = settings.from_environment(os.environ)
    except settings.SettingsError as error:
        print(error, file=sys.stderr)
        return 2

    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    threading.excepthook = _end_process
    logging.info("replica %s/%s on node %s", config.namespace, config.pod, config.node)
    with (
        closing(EtcdClient(config.etcd_endpoints)) as etcd,
        closing(Replica(etcd)) as replica,
        closing(Reads(etcd.count_members, max_age=MEMBERS_MAX_AGE)) as members,
    ):
        stopping = threading.Event()
        dependencies = Dependencies(replica, members, stopping.is_set, pod=config.pod, node=config.node)
        serve(Server(create_app(dependencies), partial(begin, dependencies), config.port, stopping))
    return 0


def _end_process(failure: threading.ExceptHookArgs) -> None:
    """A replica without one of its threads is of no use, and does not show it. To crash does no harm to the count."""
    name = failure.thread.name if failure.thread else "unknown"
    logging.critical("the thread %r failed, and the process ends with it", name, exc_info=failure.exc_value)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
