from ipaddress import IPv4Address
from pathlib import Path

from local import node
from local.daemons import Daemon
from local.layout import Layout

BINARIES = Path("/binaries")


def proxy(cluster: Layout, folder: Path, address: str = "10.201.0.11") -> Daemon:
    return node.kube_proxy(cluster, "node1", IPv4Address(address), (), folder, BINARIES)


def test_a_configuration_that_says_the_same_is_not_written_again(cluster: Layout, tmp_path: Path) -> None:
    """kube-proxy ends as soon as its own is written to."""
    proxy(cluster, tmp_path)
    file = tmp_path / "kube-proxy.yaml"
    file.chmod(0o400)
    before = file.stat()

    proxy(cluster, tmp_path)

    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_one_that_says_something_else_is_written(cluster: Layout, tmp_path: Path) -> None:
    proxy(cluster, tmp_path)

    daemon = proxy(cluster, tmp_path, "10.201.0.12")

    text = (tmp_path / "kube-proxy.yaml").read_text()
    assert "10.201.0.12" in text
    assert daemon.configuration == text
