"""The settings of a deployment, read from the stack's config in this one place.

The keys, their types and their defaults are those of Pulumi.yaml; what each value may be is in `rules`.
"""

from dataclasses import dataclass

import pulumi

from ha_counter.delivery import Delivery, DeliveryKind, Existing, Load, Push, RegistryLogin, Target
from ha_counter.rules import find_faults
from ha_counter.snapshot_volume import IMAGES, ExistingClaim, NfsExport, SnapshotVolumeKind
from ha_counter.spread import Spread


@dataclass(frozen=True)
class ClusterSettings:
    """The Kubernetes cluster, and how it is used."""

    context: str
    kubeconfig: str | None
    namespace: str
    spread: Spread


@dataclass(frozen=True)
class ImageSettings:
    """The images that are wanted, and the account at their registry."""

    targets: tuple[Target, ...]
    delivery: Delivery
    login: RegistryLogin | None


@dataclass(frozen=True)
class ResourceSettings:
    """What a container gets for sure and at most, as Kubernetes quantities."""

    cpu_request: str
    cpu_limit: str
    memory_request: str
    memory_limit: str


@dataclass(frozen=True)
class EtcdSettings:
    """The etcd cluster."""

    members: int
    storage: str
    storage_class: str | None
    resources: ResourceSettings


@dataclass(frozen=True)
class ControllerSettings:
    """What decides about etcd's members."""

    resources: ResourceSettings
    log_level: str


@dataclass(frozen=True)
class CounterSettings:
    """The counter and the way to it from outside."""

    replicas: int
    node_port: int
    resources: ResourceSettings
    log_level: str


@dataclass(frozen=True)
class NfsServerSettings:
    """The NFS server that is deployed for the snapshots."""

    storage: str
    storage_class: str | None
    resources: ResourceSettings


@dataclass(frozen=True)
class BackupSettings:
    """What saves etcd's snapshots, where, and how often (in seconds)."""

    volume: NfsServerSettings | NfsExport | ExistingClaim
    interval: int
    resources: ResourceSettings
    log_level: str


@dataclass(frozen=True)
class Settings:
    """Everything that can be configured. Without `backup` there are no snapshots."""

    cluster: ClusterSettings
    images: ImageSettings
    etcd: EtcdSettings
    controller: ControllerSettings
    counter: CounterSettings
    backup: BackupSettings | None


def load_settings(config: pulumi.Config) -> Settings:
    """Read all settings from a stack's config.

    Raises:
        pulumi.RunError: If the config has faults. The message names each one, with key, value and what is allowed.
    """
    faults = find_faults(config)
    if faults:
        raise pulumi.RunError(
            "\n  ".join(["The config can't be used. Set other values with `pulumi config`:", *faults])
        )
    return Settings(
        cluster=ClusterSettings(
            context=config.require("context"),
            kubeconfig=config.require("kubeconfig") or None,
            namespace=config.require("namespace"),
            spread=Spread(config.require("spread")),
        ),
        images=ImageSettings(targets=_targets(config), delivery=_delivery(config), login=_login(config)),
        etcd=EtcdSettings(
            members=config.require_int("etcdMembers"),
            storage=config.require("etcdStorage"),
            storage_class=config.require("etcdStorageClass") or None,
            resources=_resources(config, "etcd"),
        ),
        controller=ControllerSettings(
            resources=_resources(config, "controller"), log_level=config.require("controllerLogLevel")
        ),
        counter=CounterSettings(
            replicas=config.require_int("counterReplicas"),
            node_port=config.require_int("nodePort"),
            resources=_resources(config, "counter"),
            log_level=config.require("counterLogLevel"),
        ),
        backup=_backup(config),
    )


def _targets(config: pulumi.Config) -> tuple[Target, ...]:
    return (
        Target.COUNTER,
        Target.ETCD,
        Target.CONTROLLER,
        *IMAGES[SnapshotVolumeKind(config.require("snapshotVolume"))],
    )


def _delivery(config: pulumi.Config) -> Delivery:
    platform = config.require("platform") or None
    match DeliveryKind(config.require("imageDelivery")):
        case DeliveryKind.PUSH:
            return Push(registry=config.require("registry"), platform=platform)
        case DeliveryKind.LOAD:
            return Load(context=config.require("context"), platform=platform)
        case DeliveryKind.EXISTING:
            return Existing({target: config.require(f"{target.value}Image") for target in _targets(config)})


def _login(config: pulumi.Config) -> RegistryLogin | None:
    user = config.require("registryUser")
    if not user:
        return None
    server = config.require("registry").partition("/")[0]
    return RegistryLogin(server=server, user=user, password=config.require("registryPassword"))


def _backup(config: pulumi.Config) -> BackupSettings | None:
    volume = _snapshot_volume(config)
    if volume is None:
        return None
    return BackupSettings(
        volume=volume,
        interval=config.require_int("snapshotInterval"),
        resources=_resources(config, "backup"),
        log_level=config.require("backupLogLevel"),
    )


def _snapshot_volume(config: pulumi.Config) -> NfsServerSettings | NfsExport | ExistingClaim | None:
    match SnapshotVolumeKind(config.require("snapshotVolume")):
        case SnapshotVolumeKind.SERVER:
            return NfsServerSettings(
                storage=config.require("snapshotStorage"),
                storage_class=config.require("snapshotStorageClass") or None,
                resources=_resources(config, "nfs"),
            )
        case SnapshotVolumeKind.EXPORT:
            server, _, path = config.require("snapshotExport").rpartition(":")
            return NfsExport(server=server.strip("[]"), path=path)
        case SnapshotVolumeKind.CLAIM:
            return ExistingClaim(config.require("snapshotClaim"))
        case SnapshotVolumeKind.NONE:
            return None


def _resources(config: pulumi.Config, workload: str) -> ResourceSettings:
    return ResourceSettings(
        cpu_request=config.require(f"{workload}CpuRequest"),
        cpu_limit=config.require(f"{workload}CpuLimit"),
        memory_request=config.require(f"{workload}MemoryRequest"),
        memory_limit=config.require(f"{workload}MemoryLimit"),
    )
