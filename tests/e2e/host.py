"""What there is on this machine: all that a local cluster could leave, but for what other clusters have.

Others may come and go while tests run. What bears a mark of theirs (a name, a bridge, an address, a control group) is
left out; what all clusters share bears none, and is compared only if the same others ran before and after.
"""

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local import cgroups
from local.layout import STATE_ROOT, Layout, find

PR_SET_CHILD_SUBREAPER = 36

# Services of the packages that are installed: they would be no children of ours.
SERVICES = {"containerd", "dockerd", "docker-registry"}

# Where programs of a cluster make files and folders unless they are told other places.
FOLDERS = ("/", "/etc", "/etc/docker", "/opt", "/run", "/run/netns", "/usr/libexec", "/var/lib")

# Kinds in which nothing bears a cluster's mark.
SHARED = {"files", "settings"}

# Counters, and what is another at each look.
UNSTEADY = re.compile(
    r"fs\.(.*-nr|.*-state|quota\..*) |kernel\.(ns_last_pid|pty\.nr|random\..*) |net\.netfilter\.nf_conntrack_count "
    r"|net\..*\.veth"  # links of containers
)


@dataclass(frozen=True)
class Host:
    """The machine at one moment: its things by kind, and the clusters that were left out."""

    others: frozenset[Layout]
    things: Mapping[str, set[str]]


def adopt_orphans() -> None:
    """From now on a process that a command of ours leaves behind is a child of this one, not of the first."""
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def look(cluster: str) -> Host:
    """All there is, but for clusters with other names."""
    others = _others(cluster)
    things = {
        "processes": {*_descendants(), *_services()},
        "control groups": {group for root in cgroups.hierarchies() for group in _groups(root)},
        "network namespaces": _lines("ip", "netns", "list"),
        "links": _lines("ip", "-oneline", "link"),
        "addresses": _lines("ip", "-oneline", "-4", "address"),
        "routes": {*_lines("ip", "-4", "route", "show", "table", "all"), *_lines("ip", "rule")},
        "mounts": set(Path("/proc/mounts").read_text().splitlines()),
        "firewall rules": {rule for command in ("iptables-save", "ip6tables-save") for rule in _rules(command)},
        "files": {path for folder in FOLDERS for path in _entries(folder)},
        "settings": {line for line in _lines("sysctl", "--all") if not UNSTEADY.match(line)},
    }
    others |= _others(cluster)  # one may have come meanwhile
    foreign = _marks(others)
    return Host(others, {kind: {one for one in found if not foreign.search(one)} for kind, found in things.items()})


def differences(before: Host, after: Host) -> dict[str, list[str]]:
    """What came (+) and what went (-), by kind. A kind that is as it was is left out."""
    found = {
        kind: [*_signed("+", after.things[kind] - was), *_signed("-", was - after.things[kind])]
        for kind, was in before.things.items()
        if before.others == after.others or kind not in SHARED
    }
    # A kernel module stays once it is loaded, and brings settings of its own.
    known = {_name(line) for line in before.things["settings"]}
    found["settings"] = [line for line in found.get("settings", []) if _name(line[2:]) in known]
    return {kind: lines for kind, lines in found.items() if lines}


def _name(setting: str) -> str:
    return setting.partition(" = ")[0]


def _signed(sign: str, things: set[str]) -> list[str]:
    return [f"{sign} {thing}" for thing in sorted(things)]


def _others(cluster: str) -> frozenset[Layout]:
    found = [find(folder.name) for folder in STATE_ROOT.glob("*") if folder.name != cluster]
    return frozenset(layout for layout in found if layout is not None)


def _marks(others: Iterable[Layout]) -> re.Pattern[str]:
    """Matches what belongs to these clusters, or to each of them."""
    marks = [r"(?!)"]
    for layout in others:
        addresses = re.escape(str(layout.network.network_address).removesuffix("0.0"))
        name = rf"(?<![\w-]){layout.name}"
        marks += [
            rf"\b{addresses}",
            rf"\b{layout.bridge}\b",
            rf"ha-counter/{layout.name}\b(?!-)",
            rf"{name}-(control|node)",
        ]
        marks += [r"/ha-counter$", r" /run/netns "]
        if layout.serves_localhost:
            marks.append(r"\bKUBE-")
    return re.compile("|".join(marks))


def _descendants() -> Iterator[str]:
    """Processes that this one started, and those started them, and so on."""
    parents = {pid: parent for pid, parent, state in _processes() if state != "Z"}
    for pid in parents:
        ancestor = pid
        while ancestor in parents and ancestor != os.getpid():
            ancestor = parents[ancestor]
        if ancestor == os.getpid() != pid:
            yield from _described(pid)


def _services() -> Iterator[str]:
    for pid, _, state in _processes():
        with suppress(FileNotFoundError, ProcessLookupError):
            if state != "Z" and Path(f"/proc/{pid}/comm").read_text().strip() in SERVICES:
                yield from _described(pid)


def _processes() -> Iterator[tuple[int, int, str]]:
    """The ID of each process, its parent's, and its state."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, parent = file.read_text().rpartition(")")[2].split()[:2]
            yield int(file.parent.name), int(parent), state


def _described(pid: int) -> Iterator[str]:
    """Its ID, its command, and the control groups that it is in; nothing of one that is ending."""
    with suppress(FileNotFoundError, ProcessLookupError):
        groups = {line.rpartition(":")[2] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()}
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        if command:  # it is gone with the memory, before the process is
            yield f"{pid} {command} in {' '.join(sorted(groups))}"


def _groups(root: Path) -> Iterator[str]:
    """Groups of the first level, in which others may do as they please, and all that a cluster may have made."""
    for group in (*root.glob("*/"), *root.glob("ha-counter/**/")):
        yield str(group)


def _rules(command: str) -> Iterator[str]:
    """Rules, and chains but those that only accept: an empty one lets all pass, as if it were not there."""
    table = ""
    for line in _lines_in_order(command):
        if line.startswith("*"):
            table = line
        elif line.startswith((":", "-")) and " ACCEPT [" not in line:
            yield f"{command} {table} {line.partition(' [')[0]}"


def _entries(folder: str) -> Iterator[str]:
    """What is in the folder, but for what a cluster keeps while it is down."""
    for path in Path(folder).glob("*"):
        if path != STATE_ROOT:
            yield str(path)


def _lines(*command: str) -> set[str]:
    return set(_lines_in_order(*command))


def _lines_in_order(*command: str) -> list[str]:
    """What the command prints; nothing where `make up` has yet to install it."""
    if shutil.which(command[0]) is None:
        return []
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
