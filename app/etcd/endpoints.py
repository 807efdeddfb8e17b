"""Where the members serve their clients."""

import re
from dataclasses import dataclass

from service.environment import Variable, parse_port


@dataclass(frozen=True)
class Endpoint:
    """Where one member serves its clients: a host name or IPv4 address, and a TCP port."""

    host: str
    port: int


def parse_endpoints(value: str) -> tuple[Endpoint, ...]:
    """Read URLs that are parted by commas. Raises ValueError that says what the value has or lacks."""
    endpoints = tuple(_endpoint(url.strip()) for url in value.split(","))
    if len(set(endpoints)) < len(endpoints):
        raise ValueError("names a member twice")
    return endpoints


def _endpoint(url: str) -> Endpoint:
    match = _ENDPOINT.fullmatch(url)
    if match is None:
        raise ValueError(f"has {url!r}")
    return Endpoint(host=match["host"], port=parse_port(match["port"]))


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"  # of a DNS name
_ENDPOINT = re.compile(rf"http://(?P<host>{_LABEL}(\.{_LABEL})*):(?P<port>[0-9]+)/?")

# How a process is told of them.
ENDPOINTS = Variable(
    "ETCD_ENDPOINTS", parse_endpoints, "URLs like http://etcd0:2379, one for each member, parted by commas"
)
