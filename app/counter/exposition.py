"""`/metrics`: what Prometheus reads."""

import falcon
from prometheus_client import CONTENT_TYPE_LATEST

from counter.metrics import Metrics


class Exposition:
    """The metrics of this replica, and of no other."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        response.content_type = CONTENT_TYPE_LATEST
        response.data = self._metrics.exposition()
