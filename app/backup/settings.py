"""The settings of backup, read from the environment in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from etcd.endpoints import ENDPOINTS, Endpoint, parse_endpoints
from service.environment import Variable, check, parse_log_level, parse_name, parse_port

_LONGEST_INTERVAL = 24 * 60 * 60


@dataclass(frozen=True)
class Settings:
    """All that backup is told from outside.

    Attributes:
        etcd_endpoints: Where the members are.
        pod: The name of this pod.
        snapshots: The folder that snapshots and log are kept in. It may be away, full or hang at any time.
        scratch: A folder for what need not outlive the pod.
        snapshot_interval: Seconds between two snapshots.
        port: The TCP port to serve on.
        log_level: In lower case.
    """

    etcd_endpoints: tuple[Endpoint, ...]
    pod: str
    snapshots: Path
    scratch: Path
    snapshot_interval: int
    port: int
    log_level: str


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Return the settings that `environment` gives. Raises service.environment.SettingsError with all faults."""
    check(VARIABLES, environment)
    return Settings(
        etcd_endpoints=parse_endpoints(environment["ETCD_ENDPOINTS"]),
        pod=environment["MY_POD_NAME"],
        snapshots=_folder(environment["SNAPSHOTS_DIR"]),
        scratch=_folder(environment["SCRATCH_DIR"]),
        snapshot_interval=_interval(environment.get("SNAPSHOT_INTERVAL", _DEFAULT_INTERVAL)),
        port=parse_port(environment.get("PORT", _DEFAULT_PORT)),
        log_level=parse_log_level(environment.get("LOG_LEVEL", _DEFAULT_LOG_LEVEL)),
    )


def _folder(value: str) -> Path:
    # Whether it is there is no question for the start: a volume may come later, or hang whoever looks.
    if not value.startswith("/"):
        raise ValueError("is no absolute path")
    return Path(value)


def _interval(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise ValueError("is no number")
    seconds = int(value)
    if not 1 <= seconds <= _LONGEST_INTERVAL:
        raise ValueError("is out of range")
    return seconds


_DEFAULT_INTERVAL = "300"
_DEFAULT_PORT = "8080"
_DEFAULT_LOG_LEVEL = "info"

VARIABLES = (
    ENDPOINTS,
    Variable("MY_POD_NAME", parse_name, "the pod's name"),
    Variable("SNAPSHOTS_DIR", _folder, "the absolute path of the folder that snapshots and log are kept in"),
    Variable("SCRATCH_DIR", _folder, "the absolute path of a folder for what need not outlive the pod"),
    Variable(
        "SNAPSHOT_INTERVAL",
        _interval,
        f"seconds between two snapshots, 1 to {_LONGEST_INTERVAL} ({_DEFAULT_INTERVAL} if not set)",
        _DEFAULT_INTERVAL,
    ),
    Variable("PORT", parse_port, f"the TCP port to serve on, 1 to 65535 ({_DEFAULT_PORT} if not set)", _DEFAULT_PORT),
    Variable(
        "LOG_LEVEL",
        parse_log_level,
        f"debug, info, warning or error ({_DEFAULT_LOG_LEVEL} if not set)",
        _DEFAULT_LOG_LEVEL,
    ),
)
