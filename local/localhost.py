"""Node ports on 127.0.0.1: one more kube-proxy, on this machine itself. Only one cluster can have it."""

import subprocess
from ipaddress import IPv4Address
from pathlib import Path

from local.commands import run
from local.daemons import Daemon
from local.layout import Layout
from local.node import kube_proxy

LOOPBACK = IPv4Address("127.0.0.1")


def proxy(layout: Layout, binaries: Path) -> Daemon:
    """The proxy; node ports answer on 127.0.0.1 and on no address that the outside can reach."""
    return kube_proxy(
        layout,
        "localhost",
        LOOPBACK,
        (),
        layout.state,
        binaries,
        nodePortAddresses=["127.0.0.0/8"],
        # It must stand for some node: for one that it does not find it waits half a minute.
        hostnameOverride=layout.nodes[0].name,
    )


def clean_up(binaries: Path) -> None:
    """Take the proxy's rules out of this machine's firewall."""
    program = binaries / "kube-proxy"
    if program.exists():
        run([program, "--cleanup"])
    # kube-proxy makes this chain where node ports answer on localhost, and leaves it to the kubelet to remove.
    for iptables in ("iptables", "ip6tables"):
        for chain in ("INPUT", "OUTPUT"):
            _quietly(iptables, "--delete", chain, "--jump", "KUBE-FIREWALL")
        _quietly(iptables, "--flush", "KUBE-FIREWALL")
        _quietly(iptables, "--delete-chain", "KUBE-FIREWALL")


def _quietly(iptables: str, *arguments: str) -> None:
    """Fails where there is nothing to remove."""
    subprocess.run([iptables, "--wait", *arguments], capture_output=True)
