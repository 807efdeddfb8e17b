"""The settings of the controller, read from the environment in one place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from service.environment import Variable, check, parse_log_level, parse_name, parse_port

_URL = re.compile(r"http://[-.a-zA-Z0-9]+(:[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True)
class Settings:
    """All that the controller is told from outside.

    Attributes:
        pod: The name of this pod.
        namespace: Where the members are.
        backup_url: Where backup answers; "": there is none.
        port: The TCP port to serve on.
        log_level: What is logged at least.
    """

    pod: str
    namespace: str
    backup_url: str
    port: int
    log_level: str


VARIABLES = (
    Variable("MY_POD_NAME", parse_name, "the name of this pod"),
    Variable("MY_POD_NAMESPACE", parse_name, "the namespace of this pod"),
    Variable(
        "BACKUP_URL",
        lambda value: value and _parse_url(value),
        "where backup answers, like http://etcd-backup:8080 (no backup if not set)",
        "",
    ),
    Variable("PORT", parse_port, "a TCP port (8080 if not set)", "8080"),
    Variable("LOG_LEVEL", parse_log_level, "debug, info, warning or error (info if not set)", "info"),
)


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Return the settings. Raises service.environment.SettingsError with all faults."""
    check(VARIABLES, environment)
    return Settings(
        pod=environment["MY_POD_NAME"],
        namespace=environment["MY_POD_NAMESPACE"],
        backup_url=environment.get("BACKUP_URL", ""),
        port=parse_port(environment.get("PORT", "8080")),
        log_level=environment.get("LOG_LEVEL", "info"),
    )


def _parse_url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise ValueError("is no URL of HTTP without a path")
    return value
