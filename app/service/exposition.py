"""`/metrics`: what Prometheus reads."""

import falcon
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


class Exposition:
    """The metrics of this process, and of no other."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        response.content_type = CONTENT_TYPE_LATEST
        response.data = generate_latest(self._registry)
