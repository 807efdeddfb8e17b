"""Which cluster a command works on: one of this machine, or one that a kubeconfig names."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local import stack_config
from local.errors import LocalError
from local.layout import DEFAULT_NAME, Layout


@dataclass(frozen=True)
class Target:
    """The cluster to deploy to, and what must be set so that an engine deploys there and nowhere else."""

    context: str
    kubeconfig: Path | None  # None: the one that kubectl takes
    overrides: Mapping[str, str]
    environment: Mapping[str, str]
    layout: Layout | None  # of the local cluster, if it is one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which stack in which cluster."""
    parser.add_argument("--stack", default="dev", help="whose values to use (default: %(default)s)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--cluster", default=DEFAULT_NAME, help="name of the local cluster (default: %(default)s)")
    where.add_argument("--context", default="", help="use this context of your kubeconfig instead")


def target_of(arguments: argparse.Namespace, layout: Layout | None) -> Target:
    """What those options say; `layout` is of their local cluster. Raises LocalError if it is wanted, and not there."""
    if arguments.context:
        overrides = {"context": arguments.context}
        kubeconfig = stack_config.load(arguments.stack, overrides)["kubeconfig"]
        return Target(arguments.context, Path(kubeconfig) if kubeconfig else None, overrides, {}, None)
    if layout is None:
        raise LocalError(f"there is no local cluster {arguments.cluster!r}; `make up` makes it")
    overrides = {"context": layout.name, "registry": layout.registry}
    return Target(layout.name, layout.kubeconfig, overrides, layout.environment, layout)
