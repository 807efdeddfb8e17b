"""The settings of a replica, read from the environment in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from counter.budget import DEFAULT_ROOM
from etcd.endpoints import ENDPOINTS, Endpoint, parse_endpoints
from service.environment import Variable, check, parse_log_level, parse_name, parse_port


@dataclass(frozen=True)
class Settings:
    """All that a replica is told from outside."""

    etcd_endpoints: tuple[Endpoint, ...]
    pod: str
    node: str
    namespace: str
    pod_ip: str
    port: int
    peer_port: int
    database_room: int  # see Budget
    log_level: str  # in lower case


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Return the settings that `environment` gives. Raises service.environment.SettingsError with all faults."""
    check(VARIABLES, environment)
    return Settings(
        etcd_endpoints=parse_endpoints(environment["ETCD_ENDPOINTS"]),
        pod=environment["MY_POD_NAME"],
        node=environment["MY_NODE_NAME"],
        namespace=environment["MY_POD_NAMESPACE"],
        pod_ip=environment["MY_POD_IP"],
        port=parse_port(environment.get("PORT", _DEFAULT_PORT)),
        peer_port=parse_port(environment.get("PEER_PORT", _DEFAULT_PEER_PORT)),
        database_room=_bytes(environment.get("DATABASE_ROOM", str(DEFAULT_ROOM))),
        log_level=parse_log_level(environment.get("LOG_LEVEL", _DEFAULT_LOG_LEVEL)),
    )


def _ip(value: str) -> str:
    try:
        return str(IPv4Address(value))
    except AddressValueError:
        raise ValueError("is no address") from None


def _bytes(value: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise ValueError("is no number of bytes")
    return int(value)


_DEFAULT_PORT = "8080"
_DEFAULT_PEER_PORT = "8081"
_DEFAULT_LOG_LEVEL = "info"

VARIABLES = (
    ENDPOINTS,
    Variable("MY_POD_NAME", parse_name, "the pod's name"),
    Variable("MY_NODE_NAME", parse_name, "the name of the node that the pod runs on"),
    Variable("MY_POD_NAMESPACE", parse_name, "the pod's namespace"),
    Variable("MY_POD_IP", _ip, "the IPv4 address at which other pods reach this one"),
    Variable("PORT", parse_port, "the TCP port to serve on, 1 to 65535 (8080 if not set)", _DEFAULT_PORT),
    Variable(
        "PEER_PORT",
        parse_port,
        "the TCP port for the batches of other replicas, 1 to 65535 (8081 if not set)",
        _DEFAULT_PEER_PORT,
    ),
    Variable(
        "DATABASE_ROOM",
        _bytes,
        f"bytes of etcd's database in use beyond which no increments with keys are taken ({DEFAULT_ROOM} if not set)",
        str(DEFAULT_ROOM),
    ),
    Variable(
        "LOG_LEVEL",
        parse_log_level,
        "debug (a line for each request), info, warning or error (info if not set)",
        _DEFAULT_LOG_LEVEL,
    ),
)
