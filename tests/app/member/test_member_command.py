from pathlib import Path

from member import command, settings
from tests.app.member.conftest import GOOD

CLUSTER = ["etcd0", "etcd1", "etcd2"]


def test_the_command_line_of_a_member() -> None:
    assert command.start(settings.from_environment(GOOD), CLUSTER, "token-1", "new") == [
        "/usr/local/bin/etcd",
        "--name=etcd1",
        "--data-dir=/var/lib/etcd/data",
        "--listen-client-urls=http://0.0.0.0:2379",
        "--advertise-client-urls=http://etcd1:2379",
        "--listen-peer-urls=http://0.0.0.0:2380",
        "--initial-advertise-peer-urls=http://etcd1:2380",
        "--listen-metrics-urls=http://0.0.0.0:2381",
        "--initial-cluster=etcd0=http://etcd0:2380,etcd1=http://etcd1:2380,etcd2=http://etcd2:2380",
        "--initial-cluster-state=new",
        "--initial-cluster-token=token-1",
        "--feature-gates=InitialCorruptCheck=true",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=15m",
    ]


def test_retention_data_folder_and_quota_can_be_set() -> None:
    variables = {"COMPACTION_RETENTION": "1h30m", "DATA_DIR": "/data/etcd", "QUOTA": "5"}
    arguments = command.start(settings.from_environment(GOOD | variables), CLUSTER, "token-2", "existing")
    assert "--auto-compaction-retention=1h30m" in arguments
    assert "--data-dir=/data/etcd" in arguments
    assert "--quota-backend-bytes=5" in arguments
    assert "--initial-cluster-token=token-2" in arguments
    assert "--initial-cluster-state=existing" in arguments


def test_the_command_line_that_makes_a_folder_of_a_file() -> None:
    assert command.restore("etcd1", CLUSTER, "token-2", 1_000_000_000, Path("/data.file"), Path("/data.new")) == [
        "/usr/local/bin/etcdutl",
        "snapshot",
        "restore",
        "/data.file",
        "--data-dir=/data.new",
        "--name=etcd1",
        "--initial-cluster=etcd0=http://etcd0:2380,etcd1=http://etcd1:2380,etcd2=http://etcd2:2380",
        "--initial-advertise-peer-urls=http://etcd1:2380",
        "--initial-cluster-token=token-2",
        "--bump-revision=1000000000",
        "--mark-compacted",
    ]


def test_who_starts_for_the_first_time_compares_nothing() -> None:
    arguments = command.start(settings.from_environment(GOOD), CLUSTER, "token-1", "new", compares=False)
    assert "--feature-gates=InitialCorruptCheck=false" in arguments


def test_the_command_line_that_goes_on_alone_is_reached_from_here_only() -> None:
    url = "http://127.0.0.1:12379"
    assert command.begin_alone(Path("/data.copy"), url) == [
        "/usr/local/bin/etcd",
        "--data-dir=/data.copy",
        "--force-new-cluster",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        "--listen-peer-urls=http://127.0.0.1:0",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
