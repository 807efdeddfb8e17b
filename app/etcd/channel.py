"""gRPC channels to members."""

import logging
import socket
from collections.abc import Sequence

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed

from etcd.endpoints import Endpoint

_log = logging.getLogger(__name__)

_OPTIONS = (
    # A transaction must never be sent twice: gRPC can't know whether the first one was applied.
    ("grpc.enable_retries", 0),
    # How long one attempt to connect may take, and how long to wait before the next: 20 s and up to 120 s if not set.
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A member that hangs is given up when a ping stays unanswered for a second (ping_timeout), one that packets don't
    # reach when nothing is acknowledged for a second (keepalive_timeout, which gRPC makes TCP_USER_TIMEOUT). etcd
    # breaks connections that ping more often than every 5 s.
    ("grpc.keepalive_time_ms", 5000),
    ("grpc.keepalive_timeout_ms", 1000),
    ("grpc.http2.ping_timeout_ms", 1000),
    # One revision can be larger than gRPC's 4 MB: the end of one lease deletes thousands of keys.
    ("grpc.max_receive_message_length", -1),
    # A proxy from the environment is for other traffic.
    ("grpc.enable_http_proxy", 0),
)


def resolve(endpoint: Endpoint) -> list[str]:
    """The addresses of a member, as HOST:PORT. None if its name can't be resolved now."""
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        _log.debug("%s: %s", endpoint.host, error)
        return []
    return [f"{address[0]!s}:{address[1]!s}" for *_, address in found]


def to_any_of(addresses: Sequence[str]) -> grpc.Channel:
    """A channel that keeps to the first address that answers, and moves to the next when that connection breaks."""
    return grpc.insecure_channel("ipv4:" + ",".join(addresses), options=_OPTIONS)


def to_socket(path: str) -> grpc.Channel:
    """A channel to a member that listens on a Unix socket."""
    return grpc.insecure_channel(f"unix:{path}", options=_OPTIONS)
