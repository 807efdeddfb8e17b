"""What a local cluster could leave behind on this machine."""

import subprocess
from pathlib import Path

from local import cgroups
from local.layout import RUN_ROOT, STATE_ROOT


def traces() -> dict[str, set[str]]:
    """Everything of the kinds that a cluster makes, by kind: equal before it was made and after it is gone."""
    return {
        "processes": {str(pid) for pid in cgroups.processes("ha-counter")},
        "control groups": {str(path) for root in cgroups.hierarchies() for path in root.glob("ha-counter/**")},
        "network namespaces": _lines("ip", "netns", "list"),
        "links": {line.split(":")[1].split("@")[0] for line in _lines("ip", "-oneline", "link")},
        "routes": _lines("ip", "route"),
        "mounts": set(Path("/proc/mounts").read_text().splitlines()),
        "firewall rules": {line for line in _lines("iptables-save") if line.startswith("-A")},
        "sysctls": {f"{name}={Path('/proc/sys/net/ipv4', name).read_text().strip()}" for name in SYSCTLS},
        "files": {str(path) for root in (RUN_ROOT, STATE_ROOT) for path in root.glob("*")},
    }


SYSCTLS = ("ip_forward", "conf/all/route_localnet")


def _lines(*command: str) -> set[str]:
    try:
        return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())
    except FileNotFoundError:  # a package that only `make up` installs
        return set()
