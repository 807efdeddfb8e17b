"""The settings of a replica, read from the environment in one place."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address


@dataclass(frozen=True)
class Endpoint:
    """Where one etcd member serves its clients: a host name or IPv4 address, and a TCP port."""

    host: str
    port: int


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
    log_level: str  # in lower case


class SettingsError(Exception):
    """The environment can't be used. The text names every variable at fault, its value and what would be right."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n  ".join(["The environment is wrong:", *faults]))


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Return the settings that `environment` gives.

    Raises SettingsError with all faults at once, so that nobody has to start a replica once for each.
    """
    faults = [fault for variable in _VARIABLES for fault in _faults(variable, environment)]
    if faults:
        raise SettingsError(faults)
    return Settings(
        etcd_endpoints=_endpoints(environment["ETCD_ENDPOINTS"]),
        pod=environment["MY_POD_NAME"],
        node=environment["MY_NODE_NAME"],
        namespace=environment["MY_POD_NAMESPACE"],
        pod_ip=environment["MY_POD_IP"],
        port=_port(environment.get("PORT", _DEFAULT_PORT)),
        peer_port=_port(environment.get("PEER_PORT", _DEFAULT_PEER_PORT)),
        log_level=_log_level(environment.get("LOG_LEVEL", _DEFAULT_LOG_LEVEL)),
    )


def describe() -> str:
    """Return one line for each variable, for people."""
    return "\n".join(["environment:", *(f"  {variable.name:<17} {variable.rule}" for variable in _VARIABLES)])


@dataclass(frozen=True)
class _Variable:
    name: str
    parse: Callable[[str], object]
    rule: str
    default: str | None = None


def _faults(variable: _Variable, environment: Mapping[str, str]) -> Iterator[str]:
    value = environment.get(variable.name, variable.default)
    if value is None:
        yield f"{variable.name} is not set, but must be {variable.rule}"
        return
    try:
        variable.parse(value)
    except ValueError as error:
        yield f"{variable.name}={value!r} {error}, but must be {variable.rule}"


def _endpoints(value: str) -> tuple[Endpoint, ...]:
    endpoints = tuple(_endpoint(url.strip()) for url in value.split(","))
    if len(set(endpoints)) < len(endpoints):
        raise ValueError("names a member twice")
    return endpoints


def _endpoint(url: str) -> Endpoint:
    match = _ENDPOINT.fullmatch(url)
    if match is None:
        raise ValueError(f"has {url!r}")
    return Endpoint(host=match["host"], port=_port(match["port"]))


def _name(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return value


def _port(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise ValueError("is no number")
    port = int(value)
    if not 1 <= port <= 65535:
        raise ValueError("has a port out of range")
    return port


def _ip(value: str) -> str:
    try:
        return str(IPv4Address(value))
    except AddressValueError:
        raise ValueError("is no address") from None


def _log_level(value: str) -> str:
    if value not in _LOG_LEVELS:
        raise ValueError("is no level")
    return value


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"  # of a DNS name
_ENDPOINT = re.compile(rf"http://(?P<host>{_LABEL}(\.{_LABEL})*):(?P<port>[0-9]+)/?")

_DEFAULT_PORT = "8080"
_DEFAULT_PEER_PORT = "8081"

_LOG_LEVELS = ("debug", "info", "warning", "error")
_DEFAULT_LOG_LEVEL = "info"

_VARIABLES = (
    _Variable("ETCD_ENDPOINTS", _endpoints, "URLs like http://etcd0:2379, one for each member, parted by commas"),
    _Variable("MY_POD_NAME", _name, "the pod's name"),
    _Variable("MY_NODE_NAME", _name, "the name of the node that the pod runs on"),
    _Variable("MY_POD_NAMESPACE", _name, "the pod's namespace"),
    _Variable("MY_POD_IP", _ip, "the IPv4 address at which other pods reach this one"),
    _Variable("PORT", _port, "the TCP port to serve on, 1 to 65535 (8080 if not set)", _DEFAULT_PORT),
    _Variable(
        "PEER_PORT",
        _port,
        "the TCP port for the batches of other replicas, 1 to 65535 (8081 if not set)",
        _DEFAULT_PEER_PORT,
    ),
    _Variable(
        "LOG_LEVEL",
        _log_level,
        "debug (a line for each request), info, warning or error (info if not set)",
        _DEFAULT_LOG_LEVEL,
    ),
)
