"""Run one replica: `python -m counter`."""

import argparse
import gc
import logging
import os
import sys
import threading
from contextlib import closing, nullcontext
from functools import partial

from counter import settings
from counter.api import PATHS, Dependencies, begin, create_app
from counter.epoch import EpochStore
from counter.metrics import Metrics
from counter.observed import ObservedApp
from counter.reads import Reads
from counter.replica import Replica
from counter.server import Server, serve
from counter.settings import Settings
from counter.sharing import Sharing
from counter.version import find_versions
from etcd.client import EtcdClient
from service import logs
from service.environment import SettingsError, describe
from service.threads import end_process_with_any

# Seconds that the number of members may be old when /healthz tells it: probes and load are not to add up on etcd.
MEMBERS_MAX_AGE = 0.5


def main() -> int:
    """Serve until the process is told to stop.

    Returns the exit code: 0 after a stop that was asked for, 2 if the environment is wrong.
    """
    argparse.ArgumentParser(
        prog="counter",
        description=__doc__,
        epilog=describe(settings.VARIABLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        config = settings.from_environment(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2

    logs.set_up(config.log_level, config.pod)
    # To crash does no harm to the count.
    end_process_with_any()
    _serve(config)
    return 0


def _serve(config: Settings) -> None:
    logging.info("replica %s/%s on node %s", config.namespace, config.pod, config.node)
    versions = find_versions()
    metrics = Metrics(PATHS, versions)
    with (
        closing(EtcdClient(config.etcd_endpoints, metrics)) as etcd,
        nullcontext(EpochStore(etcd, metrics.epoch_entered)) as store,
        closing(Sharing(store, config.pod_ip, config.peer_port, metrics)) as sharing,
        closing(Replica(store, events=metrics, room=config.database_room, sharing=sharing)) as replica,
        closing(Reads(partial(_count_members, store, etcd), max_age=MEMBERS_MAX_AGE)) as members,
    ):
        metrics.show(replica.owns_shard, replica.waiting)
        stopping = threading.Event()
        dependencies = Dependencies(
            replica,
            members,
            lambda: store.epoch,
            stopping.is_set,
            metrics,
            versions,
            pod=config.pod,
            node=config.node,
        )
        app = ObservedApp(create_app(dependencies), metrics)
        # What is here by now is here to stay. To look through it for garbage again and again would halt everything for
        # 30 ms every other second under load.
        gc.freeze()
        serve(Server(app, partial(begin, dependencies), config.port, stopping))


def _count_members(store: EpochStore, etcd: EtcdClient) -> int:
    """A replica that does not know the epoch can't count, and is not ready."""
    store.require()
    return etcd.count_members()


if __name__ == "__main__":
    sys.exit(main())
