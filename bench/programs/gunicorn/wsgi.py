"""The counter's own app for gunicorn."""

import os
from typing import Any

import falcon

from counter import settings
from counter.api import Dependencies, create_app
from counter.etcd import EtcdClient
from counter.replica import Replica


def create() -> falcon.App[Any, Any]:
    """Return the app of one replica. To be called in the process that serves: its threads don't outlast a fork."""
    config = settings.from_environment(os.environ)
    etcd = EtcdClient(config.etcd_endpoints)
    return create_app(Dependencies(Replica(etcd), etcd.count_members, pod=config.pod, node=config.node))
