"""The command lines: etcd's for a member, and etcdutl's that makes a member's folder of a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from member.addresses import METRICS_PORT, PEER_PORT, peer_url
from member.settings import Member

ETCD = "/usr/local/bin/etcd"
ETCDCTL = "/usr/local/bin/etcdctl"
ETCDUTL = "/usr/local/bin/etcdutl"


def start(
    member: Member, cluster: Sequence[str], token: str, state: Literal["new", "existing"], *, compares: bool = True
) -> list[str]:
    """Return etcd's command line, program first. Source: https://etcd.io/docs/v3.6/op-guide/configuration/

    Args:
        member: Who starts.
        cluster: The names of all members. Like what follows, it matters only where there are no data yet.
        token: The cluster's.
        state: Whether the cluster begins now, or exists and this member joins it.
        compares: Whether it compares its data with the others' before it serves, and waits for them up to 14 s.
    """
    return [
        ETCD,
        f"--name={member.name}",
        f"--data-dir={member.data_dir}",
        "--listen-client-urls=http://0.0.0.0:2379",
        f"--advertise-client-urls=http://{member.name}:2379",
        f"--listen-peer-urls=http://0.0.0.0:{PEER_PORT}",
        f"--initial-advertise-peer-urls={peer_url(member.name)}",
        # Apart from the clients' port, so that probes get through whatever the clients do.
        f"--listen-metrics-urls=http://0.0.0.0:{METRICS_PORT}",
        # etcd passes over the initial cluster, its state and its token where it finds data.
        f"--initial-cluster={_initial_cluster(cluster)}",
        f"--initial-cluster-state={state}",
        f"--initial-cluster-token={token}",
        f"--feature-gates=InitialCorruptCheck={'true' if compares else 'false'}",
        "--auto-compaction-mode=periodic",
        f"--auto-compaction-retention={member.retention}",
        *([f"--quota-backend-bytes={member.quota}"] if member.quota else []),
    ]


def restore(name: str, cluster: Sequence[str], token: str, bump: int, file: Path, folder: Path) -> list[str]:
    """Return etcdutl's command line that makes etcd's data folder `folder` of `file`, program first.

    Source: https://etcd.io/docs/v3.6/op-guide/recovery/

    Args:
        name: The member's.
        cluster: The names of all members.
        token: The new cluster's.
        bump: What is added to the file's revision.
        file: What the folder is made of.
        folder: What is made.
    """
    return [
        ETCDUTL,
        "snapshot",
        "restore",
        str(file),
        f"--data-dir={folder}",
        f"--name={name}",
        f"--initial-cluster={_initial_cluster(cluster)}",
        f"--initial-advertise-peer-urls={peer_url(name)}",
        f"--initial-cluster-token={token}",
        f"--bump-revision={bump}",
        # A watch from before the restore would otherwise wait in silence for what it has missed.
        "--mark-compacted",
    ]


def begin_alone(folder: Path, client_url: str) -> list[str]:
    """Return the command line of an etcd that goes on alone with the data in `folder`, and is reached from here only.

    Source: https://etcd.io/docs/v3.6/op-guide/recovery/
    """
    return [
        ETCD,
        f"--data-dir={folder}",
        "--force-new-cluster",
        f"--listen-client-urls={client_url}",
        f"--advertise-client-urls={client_url}",
        "--listen-peer-urls=http://127.0.0.1:0",
        # Nobody needs the copy, should the machine lose its power.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _initial_cluster(cluster: Sequence[str]) -> str:
    return ",".join(f"{name}={peer_url(name)}" for name in cluster)
