"""The command lines: etcd's for a member, and etcdutl's that makes a member's folder of a file."""

from pathlib import Path

from member.settings import Member, Restoration

ETCD = "/usr/local/bin/etcd"
ETCDUTL = "/usr/local/bin/etcdutl"
PEER_PORT = 2380
METRICS_PORT = 2381


def start(member: Member) -> list[str]:
    """Return etcd's command line, program first. Source: https://etcd.io/docs/v3.6/op-guide/configuration/"""
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
        f"--initial-cluster={_initial_cluster(member)}",
        "--initial-cluster-state=new",
        f"--initial-cluster-token={member.token}",
        "--feature-gates=InitialCorruptCheck=true",
        "--auto-compaction-mode=periodic",
        f"--auto-compaction-retention={member.retention}",
        *([f"--quota-backend-bytes={member.quota}"] if member.quota else []),
    ]


def restore(member: Member, restoration: Restoration, file: Path, folder: Path) -> list[str]:
    """Return etcdutl's command line that makes etcd's data folder `folder` of `file`, program first.

    Source: https://etcd.io/docs/v3.6/op-guide/recovery/
    """
    return [
        ETCDUTL,
        "snapshot",
        "restore",
        str(file),
        f"--data-dir={folder}",
        f"--name={member.name}",
        f"--initial-cluster={_initial_cluster(member)}",
        f"--initial-advertise-peer-urls={peer_url(member.name)}",
        f"--initial-cluster-token={member.token}",
        f"--bump-revision={restoration.bump}",
        # A watch from before the restore would otherwise wait in silence for what it has missed.
        "--mark-compacted",
    ]


def peer_url(name: str) -> str:
    """Return the URL by which the others reach member `name`."""
    return f"http://{name}:{PEER_PORT}"


def _initial_cluster(member: Member) -> str:
    return ",".join(f"{name}={peer_url(name)}" for name in member.cluster)
