"""What a member is told from outside, read from the environment in one place.

The variables don't begin with ETCD_: etcd takes every such variable for a flag.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.environment import Variable, check, parse_name

# What the record names instead of a file where the new epoch begins with nothing.
EMPTY = "empty"

_DEFAULT_DATA_DIR = "/var/lib/etcd/data"
_DEFAULT_RETENTION = "15m"

# More are of no use: each one more makes a commit slower.
MOST_MEMBERS = 9

_ORDINAL = re.compile(r"-(0|[1-9][0-9]*)$", re.ASCII)
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_DURATION = re.compile(r"([0-9]+(h|m|s))+", re.ASCII)
_URL = re.compile(r"http://[-.a-zA-Z0-9]+(:[0-9]{1,5})?", re.ASCII)
_SOURCE = re.compile(rf"[0-9a-f]{{64}}|{EMPTY}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_TEXT = re.compile(r".*\S.*")


@dataclass(frozen=True)
class Restoration:
    """A new epoch of the cluster, as the record has it.

    Attributes:
        epoch: Its number.
        sha256: Of the file that all members begin with; None: they begin with nothing.
        bump: By how much etcd's revision rises above the file's, so that no revision is used for two things.
    """

    epoch: int
    sha256: str | None
    bump: int


@dataclass(frozen=True)
class Member:
    """One member of the cluster, and what it needs to know to start.

    Attributes:
        name: Its name in the cluster, which the others reach it by.
        cluster: The names of all members.
        token: Sets this cluster, in this epoch, apart from every other one.
        data_dir: etcd's data folder.
        retention: How long etcd keeps old revisions.
        quota: Bytes beyond which etcd's database takes nothing more; 0: etcd's own default.
        backup_url: Where backup answers; empty where there is none.
        restoration: What the record asks for, if a restore is under way.
        controller_url: Where the controller answers. Where it is set, that decides, and not cluster, token and
            restoration.
        number: N of pod etcd-N.
        pod: Which pod of that name it is.
    """

    name: str
    cluster: tuple[str, ...]
    token: str
    data_dir: Path
    retention: str
    quota: int
    backup_url: str
    restoration: Restoration | None
    controller_url: str
    number: int
    pod: str


def from_environment(environment: Mapping[str, str]) -> Member:
    """Return the member that `environment` describes. Raises service.environment.SettingsError with all faults."""
    check(variables(environment), environment)
    controller_url = environment.get("CONTROLLER_URL", "")
    cluster = () if controller_url else _names(environment["MEMBERS"])
    number = _ordinal(environment["MY_POD_NAME"], len(cluster) or MOST_MEMBERS)
    return Member(
        name=f"etcd{number}" if controller_url else cluster[number],
        cluster=cluster,
        token=environment.get("RECORD_TOKEN") or environment.get("CLUSTER_TOKEN", ""),
        data_dir=Path(environment.get("DATA_DIR", _DEFAULT_DATA_DIR)),
        retention=environment.get("COMPACTION_RETENTION", _DEFAULT_RETENTION),
        quota=int(environment.get("QUOTA") or 0),
        backup_url=environment.get("BACKUP_URL", ""),
        restoration=_restoration(environment),
        controller_url=controller_url,
        number=number,
        pod=environment.get("MY_POD_UID", ""),
    )


def variables(environment: Mapping[str, str]) -> tuple[Variable, ...]:
    """Return the variables with their rules, some of which depend on what others of `environment` say."""
    if environment.get("CONTROLLER_URL"):
        return (
            Variable(
                "MY_POD_NAME",
                lambda value: _ordinal(value, MOST_MEMBERS),
                "the pod's name, which ends in the member's number: etcd-0 for the first",
            ),
            Variable("MY_POD_UID", parse_name, "what sets this pod apart from all others, before and after it"),
            *_common(),
        )
    size = len(environment.get("MEMBERS", "").split(","))
    source = environment.get("RECORD_RESTORE", "")
    return (
        Variable("MEMBERS", _names, "the members' names, all different, parted by commas: etcd0,etcd1,etcd2"),
        Variable(
            "MY_POD_NAME",
            lambda value: _ordinal(value, size),
            "the pod's name, which ends in its ordinal among MEMBERS: etcd-0 for the first",
        ),
        Variable("CLUSTER_TOKEN", parse_name, "a text that sets this cluster apart from every other one"),
        *_common(),
        _optional("RECORD_RESTORE", _SOURCE, f"the sha256 of a file to restore, or {EMPTY!r} (no restore if not set)"),
        _for_a_restore("RECORD_EPOCH", _NUMBER, "the epoch's number, 1 or more", needed=source != ""),
        _for_a_restore("RECORD_TOKEN", _TEXT, "the epoch's token, used for CLUSTER_TOKEN", needed=source != ""),
        _for_a_restore(
            "RECORD_BUMP",
            _NUMBER,
            "what is added to the file's revision, 1 or more",
            needed=source not in ("", EMPTY),
        ),
    )


def _common() -> tuple[Variable, ...]:
    return (
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
        _optional("BACKUP_URL", _URL, "where backup answers, like http://etcd-backup:8080 (no backup if not set)"),
        _optional(
            "CONTROLLER_URL", _URL, "where the controller answers, like http://etcd-controller:8080 (none if not set)"
        ),
    )


def _restoration(environment: Mapping[str, str]) -> Restoration | None:
    source = environment.get("RECORD_RESTORE", "")
    if not source:
        return None
    epoch = int(environment["RECORD_EPOCH"])
    if source == EMPTY:
        return Restoration(epoch, None, 0)
    return Restoration(epoch, source, int(environment["RECORD_BUMP"]))


def _optional(name: str, pattern: re.Pattern[str], rule: str) -> Variable:
    """A variable that may be left out, or empty."""
    return Variable(name, lambda value: value and _matching(pattern)(value), rule, "")


def _for_a_restore(name: str, pattern: re.Pattern[str], rule: str, needed: bool) -> Variable:
    """A variable that may be left out unless the restore that is asked for needs it."""
    rule = f"{rule} (needed for a restore)"
    return Variable(name, _matching(pattern), rule) if needed else _optional(name, pattern, rule)


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError("is not that" if value else "is empty")
        return value

    return parse


def _names(value: str) -> tuple[str, ...]:
    names = tuple(value.split(","))
    if not all(map(_DNS_LABEL.fullmatch, names)):
        raise ValueError("has what is no name")
    if len(set(names)) < len(names):
        raise ValueError("has a name twice")
    return names


def _ordinal(value: str, size: int) -> int:
    found = _ORDINAL.search(value)
    if found is None:
        raise ValueError("has no ordinal")
    ordinal = int(found[1])
    if ordinal >= size:
        raise ValueError(f"is beyond {size} members")
    return ordinal


def _absolute(value: str) -> Path:
    if not Path(value).is_absolute():
        raise ValueError("is not absolute")
    return Path(value)
