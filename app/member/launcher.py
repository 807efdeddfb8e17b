"""Turn the pod's environment into the command line of its etcd member.

The variables don't begin with ETCD_: etcd takes every such variable for a flag.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ETCD = "/usr/local/bin/etcd"

ENVIRONMENT = """\
environment:
  MY_POD_NAME           the pod's name, which ends in its ordinal: etcd-1
  MEMBERS               the members' names in the order of the ordinals: etcd0,etcd1,etcd2
                        (each is also the DNS name that the other members reach it by)
  CLUSTER_TOKEN         a text that sets this cluster apart from every other one
  DATA_DIR              where the member keeps its data (default: /var/lib/etcd/data)
  COMPACTION_RETENTION  how long etcd keeps old revisions, as a Go duration (default: 15m)"""

_DEFAULT_DATA_DIR = "/var/lib/etcd/data"
_DEFAULT_RETENTION = "15m"

_ORDINAL = re.compile(r"-(0|[1-9][0-9]*)$", re.ASCII)
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_DURATION = re.compile(r"([0-9]+(h|m|s))+", re.ASCII)


@dataclass(frozen=True)
class Member:
    """One member of the cluster, and what it needs to know to start."""

    name: str
    cluster: tuple[str, ...]
    token: str
    data_dir: Path
    retention: str


class SettingsError(Exception):
    """The environment can't be used. The text names every variable at fault, its value and what would be right."""


def from_environment(environment: Mapping[str, str]) -> Member:
    """Return the member that `environment` describes. Raises SettingsError with all faults at once."""
    faults = list(_faults(environment))
    if faults:
        raise SettingsError("\n  ".join(["The environment is wrong:", *faults]))
    cluster = tuple(environment["MEMBERS"].split(","))
    ordinal = environment["MY_POD_NAME"].rpartition("-")[2]
    return Member(
        name=cluster[int(ordinal)],
        cluster=cluster,
        token=environment["CLUSTER_TOKEN"],
        data_dir=Path(environment.get("DATA_DIR", _DEFAULT_DATA_DIR)),
        retention=environment.get("COMPACTION_RETENTION", _DEFAULT_RETENTION),
    )


def command(member: Member) -> list[str]:
    """Return etcd's command line, program first. Source: https://etcd.io/docs/v3.6/op-guide/configuration/"""
    return [
        ETCD,
        f"--name={member.name}",
        f"--data-dir={member.data_dir}",
        "--listen-client-urls=http://0.0.0.0:2379",
        f"--advertise-client-urls=http://{member.name}:2379",
        "--listen-peer-urls=http://0.0.0.0:2380",
        f"--initial-advertise-peer-urls={_peer_url(member.name)}",
        # Apart from the clients' port, so that probes get through whatever the clients do.
        "--listen-metrics-urls=http://0.0.0.0:2381",
        # etcd passes over the initial cluster, its state and its token where it finds data.
        f"--initial-cluster={','.join(f'{name}={_peer_url(name)}' for name in member.cluster)}",
        "--initial-cluster-state=new",
        f"--initial-cluster-token={member.token}",
        "--feature-gates=InitialCorruptCheck=true",
        "--auto-compaction-mode=periodic",
        f"--auto-compaction-retention={member.retention}",
    ]


def launch(member: Member) -> NoReturn:
    """Become etcd: same process, so that signals reach it. Raises OSError if that can't be."""
    found = "data found" if (member.data_dir / "member").is_dir() else "no data yet"
    # etcd complains of a data folder that others may read.
    member.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments = command(member)
    print(f"{found} in {member.data_dir}, starting: {' '.join(arguments)}", flush=True)  # exec drops what is buffered
    os.execv(arguments[0], arguments)


def _peer_url(name: str) -> str:
    return f"http://{name}:2380"


def _faults(environment: Mapping[str, str]) -> Iterator[str]:
    def fault(variable: str, rule: str) -> str:
        value = f"={environment[variable]!r}" if variable in environment else " is not set, but"
        return f"{variable}{value} must be {rule}"

    names = environment.get("MEMBERS", "").split(",")
    ordinal = _ORDINAL.search(environment.get("MY_POD_NAME", ""))
    if len(set(names)) < len(names) or not all(_DNS_LABEL.fullmatch(name) for name in names):
        yield fault("MEMBERS", "the members' names, all different, parted by commas: etcd0,etcd1,etcd2")
    if ordinal is None or int(ordinal[1]) >= len(names):
        yield fault("MY_POD_NAME", "the pod's name, which ends in its ordinal among MEMBERS: etcd-0 for the first")
    if not environment.get("CLUSTER_TOKEN"):
        yield fault("CLUSTER_TOKEN", "a text that sets this cluster apart from every other one")
    if not Path(environment.get("DATA_DIR", _DEFAULT_DATA_DIR)).is_absolute():
        yield fault("DATA_DIR", "an absolute path")
    if not _DURATION.fullmatch(environment.get("COMPACTION_RETENTION", _DEFAULT_RETENTION)):
        yield fault("COMPACTION_RETENTION", "a duration like 15m or 1h30m")
