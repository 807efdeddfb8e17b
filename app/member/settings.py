"""What a member is told from outside, read from the environment in one place.

The variables don't begin with ETCD_: etcd takes every such variable for a flag.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from member.addresses import member_name
from service.environment import Variable, check, parse_name

_DEFAULT_DATA_DIR = "/var/lib/etcd/data"
_DEFAULT_RETENTION = "15m"

_ORDINAL = re.compile(r"-(0|[1-9][0-9]*)$", re.ASCII)
_DURATION = re.compile(r"([0-9]+(h|m|s))+", re.ASCII)
_URL = re.compile(r"http://[-.a-zA-Z0-9]+(:[0-9]{1,5})?", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


@dataclass(frozen=True)
class Member:
    """One member of the cluster, and what it needs to know to start.

    Attributes:
        number: N of pod etcd-N.
        pod: Which pod of that name it is.
        data_dir: etcd's data folder.
        retention: How long etcd keeps old revisions.
        quota: Bytes beyond which etcd's database takes nothing more; 0: etcd's own default.
        controller_url: Where the controller answers.
        backup_url: Where backup answers; empty where there is none.
    """

    number: int
    pod: str
    data_dir: Path
    retention: str
    quota: int
    controller_url: str
    backup_url: str

    @property
    def name(self) -> str:
        """Its name in the cluster, which the others reach it by."""
        return member_name(self.number)


def from_environment(environment: Mapping[str, str]) -> Member:
    """Return the member that `environment` describes. Raises service.environment.SettingsError with all faults."""
    check(VARIABLES, environment)
    return Member(
        number=_ordinal(environment["MY_POD_NAME"]),
        pod=environment["MY_POD_UID"],
        data_dir=Path(environment.get("DATA_DIR", _DEFAULT_DATA_DIR)),
        retention=environment.get("COMPACTION_RETENTION", _DEFAULT_RETENTION),
        quota=int(environment.get("QUOTA") or 0),
        controller_url=environment["CONTROLLER_URL"],
        backup_url=environment.get("BACKUP_URL", ""),
    )


def _optional(name: str, pattern: re.Pattern[str], rule: str) -> Variable:
    """A variable that may be left out, or empty."""
    return Variable(name, lambda value: value and _matching(pattern)(value), rule, "")


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError("is not that" if value else "is empty")
        return value

    return parse


def _ordinal(value: str) -> int:
    found = _ORDINAL.search(value)
    if found is None:
        raise ValueError("has no ordinal")
    return int(found[1])


def _absolute(value: str) -> Path:
    if not Path(value).is_absolute():
        raise ValueError("is not absolute")
    return Path(value)


VARIABLES = (
    Variable("MY_POD_NAME", _ordinal, "the pod's name, which ends in the member's number: etcd-0 for the first"),
    Variable("MY_POD_UID", parse_name, "what sets this pod apart from those of its name before and after it"),
    Variable("CONTROLLER_URL", _matching(_URL), "where the controller answers, like http://etcd-controller:8080"),
    _optional("BACKUP_URL", _URL, "where backup answers, like http://etcd-backup:8080 (no backup if not set)"),
    Variable(
        "DATA_DIR",
        _absolute,
        f"the absolute path of the folder with the member's data ({_DEFAULT_DATA_DIR} if not set)",
        _DEFAULT_DATA_DIR,
    ),
    Variable(
        "COMPACTION_RETENTION",
        _matching(_DURATION),
        f"how long etcd keeps old revisions, like 15m or 1h30m ({_DEFAULT_RETENTION} if not set)",
        _DEFAULT_RETENTION,
    ),
    _optional("QUOTA", _NUMBER, "bytes that etcd's database may have at most (etcd's default if not set)"),
)
