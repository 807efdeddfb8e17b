"""What to mount, from where and how: read from the words that mount(8) passes on. nfs(5) says what they mean."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Options for the kernel, which FUSE hands on.
FOR_THE_KERNEL = {"ro", "nosuid", "nodev", "noexec", "noatime"}

# Options that are as good as given, and those that only tune the kernel's own client.
WITHOUT_EFFECT = {
    *("rw", "suid", "dev", "exec", "atime", "relatime", "defaults", "async", "_netdev"),
    *("tcp", "lock", "nolock", "intr", "nointr", "fg", "ac"),
    *("rsize", "wsize", "acregmin", "acregmax", "acdirmin", "acdirmax", "actimeo", "nconnect", "lookupcache"),
}

# Options that have one possible value here.
FIXED = {"nfsvers": ("4", "4.1"), "vers": ("4", "4.1"), "minorversion": ("1",), "proto": ("tcp",), "sec": ("sys",)}

SOURCE = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:/\[\]]+):(?P<path>/.*)")


class MountError(Exception):
    """It can't be mounted, or not so; the message says what and why."""


@dataclass(frozen=True)
class Mount:
    """A folder of an NFS server, where it is to appear, and how long to wait for the server."""

    host: str
    path: str  # below the server's root
    target: str
    port: int = 2049
    soft: bool = False
    timeout: float = 60.0  # seconds that the server gets to answer once
    attempts: int = 2
    reserved_port: bool = True
    kernel_options: frozenset[str] = frozenset()

    @property
    def source(self) -> str:
        return f"{self.host}:/{self.path}"

    @property
    def patience(self) -> float:
        """Seconds after which an operation fails for want of an answer."""
        return self.timeout * self.attempts if self.soft else float("inf")


def parse(source: str, target: str, options: Iterable[str]) -> Mount:
    """Raises MountError for what can't be done here."""
    found = SOURCE.fullmatch(source)
    if not found:
        raise MountError(f"{source!r} must be HOST:/PATH")
    path = found["path"].strip("/")
    if not path:
        raise MountError(f"{source!r} is the server's root, which has no files; name what it exports")
    values: dict[str, str] = dict(word.partition("=")[::2] for word in options if word)
    for name, value in values.items():
        _require_known(name, value)
    return Mount(
        host=found["host"],
        path=path,
        target=target,
        port=_number(values, "port", Mount.port, 65535),
        soft=_last(values, "hard", "soft") == "soft",
        timeout=_number(values, "timeo", round(Mount.timeout * 10), 36000) / 10,
        attempts=_number(values, "retrans", Mount.attempts, 1000),
        reserved_port=_last(values, "resvport", "noresvport") == "resvport",
        kernel_options=frozenset(FOR_THE_KERNEL & values.keys()),
    )


def _require_known(name: str, value: str) -> None:
    if name in FIXED and value not in FIXED[name]:
        raise MountError(f"option {name}={value}: only {' or '.join(FIXED[name])} is served here")
    known = {"soft", "hard", "timeo", "retrans", "port", "resvport", "noresvport"}
    if name not in known | FOR_THE_KERNEL | WITHOUT_EFFECT | FIXED.keys():
        raise MountError(f"option {name!r} is not known")


def _number(values: dict[str, str], name: str, default: int, largest: int) -> int:
    text = values.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= largest):
        raise MountError(f"option {name}={text}: must be a whole number from 1 to {largest}")
    return int(text)


def _last(values: dict[str, str], default: str, other: str) -> str:
    """Which of two that exclude each other was given last."""
    given = [name for name in values if name in (default, other)]
    return given[-1] if given else default
