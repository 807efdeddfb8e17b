"""The counter's own app for gunicorn, without the counter's own server: each request waits in a thread."""

import os
from typing import Any

import falcon

from counter import settings
from counter.__main__ import MEMBERS_MAX_AGE
from counter.api import PATHS, Dependencies, create_app
from counter.metrics import Metrics
from counter.reads import Reads
from counter.replica import Replica
from etcd.client import EtcdClient


def create() -> falcon.App[Any, Any]:
    """Return the app of one replica. To be called in the process that serves: its threads don't outlast a fork."""
    config = settings.from_environment(os.environ)
    etcd = EtcdClient(config.etcd_endpoints)
    return create_app(
        Dependencies(
            Replica(etcd),
            Reads(etcd.count_members, max_age=MEMBERS_MAX_AGE),
            epoch=lambda: None,
            is_stopping=lambda: False,
            metrics=Metrics(PATHS, {}),
            versions={"version": "gunicorn"},
            pod=config.pod,
            node=config.node,
        )
    )
