"""`python -m local`: a real three-node Kubernetes on this machine."""

import argparse
import os
import sys
from itertools import pairwise

from rich.console import Console
from rich.table import Table

from local import binaries, cluster, daemons
from local.errors import LocalError, exit_code
from local.layout import DEFAULT_NAME, DEFAULT_SIZE, MAX_SIZE, Layout, find, remove_leftovers


def main() -> int:
    arguments, rest = _parse(sys.argv[1:])
    return exit_code(lambda: _run(arguments, rest, Console()))


def _parse(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our own arguments, and what follows the word `kubectl`: that is all kubectl's."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("--name", default=DEFAULT_NAME, help="the cluster's name (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the cluster, or what is missing of it")
    sizes = range(1, MAX_SIZE + 1)
    up.add_argument("--nodes", type=int, choices=sizes, metavar="N", help=f"1 to {MAX_SIZE}; default: {DEFAULT_SIZE}")
    commands.add_parser("down", help="stop the cluster; its objects and volumes stay for the next `up`")
    commands.add_parser("destroy", help="stop the cluster and remove it with its volumes")
    commands.add_parser("status", help="show the daemons, their memory and their logs")
    commands.add_parser("build", help="only build the programs and the base image")
    commands.add_parser("env", help="print the variables by which kubectl, docker and pulumi reach the cluster")
    commands.add_parser("kubectl", help="run kubectl against the cluster")
    ends = (
        end
        for end, (before, word) in enumerate(pairwise(["", *words]), start=1)
        if word == "kubectl" and before != "--name"  # which a cluster may be called
    )
    end = next(ends, len(words))
    return parser.parse_args(words[:end]), words[end:]


def _run(arguments: argparse.Namespace, rest: list[str], console: Console) -> int:
    if arguments.command in ("up", "down", "destroy"):
        with cluster.reserved(arguments.name, console):
            _change(arguments, console)
    elif arguments.command == "build":
        cluster.build(console)
    elif arguments.command == "status":
        return _show_status(_existing(arguments.name), console)
    elif arguments.command == "env":
        for name, value in _existing(arguments.name).environment.items():
            print(f"export {name}={value}")
    elif arguments.command == "kubectl":
        _become_kubectl(_existing(arguments.name), rest)
    return 0


def _change(arguments: argparse.Namespace, console: Console) -> None:
    if arguments.command == "up":
        layout = cluster.up(arguments.name, console, arguments.nodes)
        hint = f'The cluster is up. To use it: eval "$(python -m local --name {layout.name} env)"'
        console.print(hint, highlight=False, soft_wrap=True)
    elif arguments.command == "down":
        cluster.down(_existing(arguments.name), console)
    else:
        remove_leftovers()
        cluster.destroy(_existing(arguments.name), console)


def _become_kubectl(layout: Layout, rest: list[str]) -> None:
    kubectl = binaries.folder() / "kubectl"
    if not kubectl.exists() or daemons.main_process(layout, "kube-apiserver") is None:
        raise LocalError(f"cluster {layout.name!r} is not up; start it with `python -m local --name {layout.name} up`")
    os.execve(kubectl, ["kubectl", *rest], {**os.environ, **layout.environment})


def _existing(name: str) -> Layout:
    layout = find(name)
    if layout is None:
        raise LocalError(f"there is no local cluster {name!r}; make it with `python -m local --name {name} up`")
    return layout


def _show_status(layout: Layout, console: Console) -> int:
    rows = cluster.status(layout)
    table = Table("daemon", "process", "memory", "log", box=None)
    for row in rows:
        pid = str(row.pid) if row.pid else "[red]not running[/red]"
        table.add_row(row.name, pid, f"{row.memory >> 20} MiB", row.log.name)
    console.print(table)
    console.print(f"logs are in {layout.logs}", highlight=False, soft_wrap=True)
    console.print(f"memory of all, pods included: {cluster.memory(layout) >> 20} MiB")
    return 0 if rows and all(row.pid for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
