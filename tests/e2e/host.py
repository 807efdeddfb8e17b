"""What a local cluster has on this machine, by its marks: its name, its bridge and its addresses.

Only what is this cluster's own is looked at, so that others may come and go meanwhile.
"""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from local import cgroups
from local.layout import Layout


def traces(layout: Layout) -> dict[str, set[str]]:
    """What there is of the cluster, by kind. A kind of which there is nothing is left out."""
    found = {
        "processes": {str(pid) for pid in cgroups.processes(layout.cgroup)},
        "control groups": {
            str(root / layout.cgroup) for root in cgroups.hierarchies() if (root / layout.cgroup).exists()
        },
        "network namespaces": _marked(layout, _lines("ip", "netns", "list")),
        "links": _marked(layout, _lines("ip", "-oneline", "link")),
        "routes": _marked(layout, _lines("ip", "route")),
        "mounts": _marked(layout, Path("/proc/mounts").read_text().splitlines()),
        "firewall rules": _marked(layout, _lines("iptables-save")),
        "sockets": {str(layout.run)} if layout.run.exists() else set(),
    }
    return {kind: things for kind, things in found.items() if things}


def settings() -> dict[str, str]:
    """This machine's settings that the first cluster changes and the last sets back."""
    names = ("ip_forward", "conf/all/route_localnet")
    return {name: Path("/proc/sys/net/ipv4", name).read_text().strip() for name in names}


def _marked(layout: Layout, lines: Iterable[str]) -> set[str]:
    addresses = re.escape(str(layout.network.network_address).removesuffix("0.0"))
    marks = re.compile(rf"\b{addresses}|\b{layout.bridge}\b|{layout.cgroup}\b(?!-)|\b{layout.name}-(control|node)")
    return {line for line in lines if marks.search(line)}


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
