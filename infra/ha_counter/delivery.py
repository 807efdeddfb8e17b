"""How the nodes get the images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Target(StrEnum):
    """The images, by the Dockerfile's targets."""

    COUNTER = "counter"
    ETCD = "etcd"
    CONTROLLER = "controller"
    BACKUP = "backup"
    NFS = "nfs"


class DeliveryKind(StrEnum):
    """The ways there are, as the config names them."""

    PUSH = "push"
    LOAD = "load"
    EXISTING = "existing"


@dataclass(frozen=True)
class RegistryLogin:
    """An account at a registry.

    Attributes:
        server: The registry's host, with a port if it has one.
        user: The account's name.
        password: Must only go into resources as `pulumi.Output.secret`, or it can be read in the state.
    """

    server: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Push:
    """Images are built and pushed to a registry, from which nodes pull them. `registry` may have a path."""

    registry: str
    platform: str | None


@dataclass(frozen=True)
class Load:
    """Images are built and copied into the nodes of a kind or minikube cluster, which `context` leads to."""

    context: str
    platform: str | None


@dataclass(frozen=True)
class Existing:
    """Images are there already, and are pulled by these references. Nothing is built."""

    references: Mapping[Target, str]


Delivery = Push | Load | Existing
