"""The cluster's wires: a bridge on this machine, a network namespace for each node, and plain routes between them."""

import subprocess
from pathlib import Path

from local.commands import run
from local.layout import Layout, Node


def up(layout: Layout) -> None:
    """Make what is missing of the bridge, the namespaces, the routes and the firewall rules."""
    _bridge(layout)
    for node in (layout.control_plane, *layout.nodes):
        _namespace(layout, node)
    for node in layout.nodes:
        run(["ip", "route", "replace", str(node.pod_network), "via", str(node.address)])
    _between_nodes(layout)
    for rule in _firewall(layout):
        if not _has(rule):
            run(["iptables", "--wait", "--table", rule[0], "--append", *rule[1:]])


def down(layout: Layout) -> None:
    """Remove what `up` made."""
    for rule in _firewall(layout):
        while _has(rule):
            run(["iptables", "--wait", "--table", rule[0], "--delete", *rule[1:]])
    for node in (layout.control_plane, *layout.nodes):
        # The kernel takes a namespace's links away some time after the namespace: too late for who looks now.
        if _link_exists(node.veth):
            run(["ip", "link", "delete", node.veth])
        _remove_namespace(node)
    if _link_exists(layout.bridge):
        run(["ip", "link", "delete", layout.bridge])


def enter(node: Node) -> tuple[str, ...]:
    """The words before a command that is to run in the node's network.

    `ip netns exec` would mount a fresh /sys, which hides the control groups from the kubelet.
    """
    return ("nsenter", f"--net={_namespace_file(node)}", "--")


def _bridge(layout: Layout) -> None:
    if not _link_exists(layout.bridge):
        run(["ip", "link", "add", layout.bridge, "type", "bridge"])
    run(["ip", "address", "replace", f"{layout.gateway}/24", "dev", layout.bridge])
    run(["ip", "link", "set", layout.bridge, "up"])


def _namespace(layout: Layout, node: Node) -> None:
    inside = enter(node)
    if not _succeeds([*inside, "true"]):
        _remove_namespace(node)  # `ip netns add` makes a file before it is a namespace, and may be cut off in between
        run(["ip", "netns", "add", node.netns])
    if not _succeeds([*inside, "ip", "link", "show", "eth0"]):
        peer = ["type", "veth", "peer", "name", "eth0", "netns", node.netns]
        run(["ip", "link", "add", node.veth, *peer])
    run(["ip", "link", "set", node.veth, "master", layout.bridge, "up"])
    run([*inside, "ip", "link", "set", "lo", "up"])
    run([*inside, "ip", "address", "replace", f"{node.address}/24", "dev", "eth0"])
    run([*inside, "ip", "link", "set", "eth0", "up"])
    run([*inside, "ip", "route", "replace", "default", "via", str(layout.gateway)])
    run([*inside, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])


def _remove_namespace(node: Node) -> None:
    if _namespace_file(node).exists():
        run(["ip", "netns", "delete", node.netns])


def _between_nodes(layout: Layout) -> None:
    for here in (layout.control_plane, *layout.nodes):
        for there in layout.nodes:
            if here != there:
                run([*enter(here), "ip", "route", "replace", str(there.pod_network), "via", str(there.address)])


def _firewall(layout: Layout) -> list[tuple[str, ...]]:
    """The rules of this cluster: (table, chain, match ..., target)."""
    inside, bridge = str(layout.network), layout.bridge
    mark = ("-m", "comment", "--comment", layout.cgroup)
    registry = ("-d", str(layout.gateway), "-p", "tcp", "--dport", str(layout.registry_port))
    return [
        # Other programs on this machine (a Docker engine, say) may have closed forwarding for all but their own.
        ("filter", "FORWARD", "-i", bridge, *mark, "-j", "ACCEPT"),
        ("filter", "FORWARD", "-o", bridge, *mark, "-j", "ACCEPT"),
        # Image builds install packages from outside.
        ("nat", "POSTROUTING", "-s", inside, "!", "-d", inside, *mark, "-j", "MASQUERADE"),
        # The registry listens on 127.0.0.1 only; nodes reach it by this machine's address on the bridge.
        (
            "nat",
            "PREROUTING",
            "-i",
            bridge,
            *registry,
            *mark,
            "-j",
            "DNAT",
            "--to",
            f"127.0.0.1:{layout.registry_port}",
        ),
    ]


def _has(rule: tuple[str, ...]) -> bool:
    return _succeeds(["iptables", "--wait", "--table", rule[0], "--check", *rule[1:]])


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def _link_exists(name: str) -> bool:
    return Path("/sys/class/net", name).exists()


def _namespace_file(node: Node) -> Path:
    return Path("/run/netns", node.netns)
