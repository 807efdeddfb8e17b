"""A connection to a pod's port through the API server, as `kubectl port-forward` makes them."""

import http.client
import socket
from collections.abc import Callable
from dataclasses import dataclass

import websocket
from kubernetes.client import ApiClient, CoreV1Api
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward

from local.errors import LocalError

CONNECT_TIMEOUT = 5.0
BLOCK = 1 << 20  # bytes that are read at once of what is sent


@dataclass(frozen=True)
class Forward:
    """The connection, and what the node said if it could not make its part of it."""

    socket: socket.socket
    error: Callable[[], str | None]

    def http(self, host: str, port: int, timeout: float) -> http.client.HTTPConnection:
        """HTTP over it. `host` and `port` say who is asked, `timeout` the seconds that they may stay silent."""
        connection = http.client.HTTPConnection(host, port, blocksize=BLOCK)
        self.socket.settimeout(timeout)
        connection.sock = self.socket
        return connection


def connect(client: ApiClient, namespace: str, pod: str, port: int) -> Forward:
    """Connect to the pod's port. Raises LocalError if the API server can't.

    That nothing listens at the port shows only later: the connection is closed, and `error` says why.
    """
    connect_pod = CoreV1Api(client).connect_get_namespaced_pod_portforward
    websocket.setdefaulttimeout(CONNECT_TIMEOUT)  # the client has no other way to say so
    try:
        forwarded = portforward(connect_pod, pod, namespace, ports=str(port))
    except ApiException as error:
        # It holds all headers, too.
        reason = str(error.reason).partition(" -+-+- ")[0]
        raise LocalError(f"Pod {namespace}/{pod}: port {port} can't be reached: {reason}") from error
    finally:
        websocket.setdefaulttimeout(None)
    forwarded.websocket.settimeout(None)  # else it would end whenever nothing was said for that long
    return Forward(forwarded.socket(port), lambda: forwarded.error(port))
