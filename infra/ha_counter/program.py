"""The whole system, put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from ha_counter.backup import Backup, BackupArgs
from ha_counter.controller import Controller, ControllerArgs
from ha_counter.counter import Counter, CounterArgs
from ha_counter.delivery import Target
from ha_counter.etcd import EtcdCluster, EtcdClusterArgs
from ha_counter.etcd_capacity import database_room
from ha_counter.etcd_endpoints import EtcdEndpoints, EtcdEndpointsArgs
from ha_counter.fixed_settings import context_of_unchanged
from ha_counter.images import Images, ImagesArgs
from ha_counter.namespace import make_namespace
from ha_counter.network_policies import NetworkPolicies, NetworkPoliciesArgs
from ha_counter.nfs_server import NfsServer, NfsServerArgs
from ha_counter.nfs_volume import NfsVolume, NfsVolumeArgs
from ha_counter.providers import adopting_provider, cluster_provider
from ha_counter.pull_secret import make_pull_secrets
from ha_counter.record import make_record
from ha_counter.settings import NfsServerSettings, Settings
from ha_counter.snapshot_volume import ExistingClaim, NfsExport


@dataclass(frozen=True)
class Outputs:
    """What a user of the stack wants to know.

    Attributes:
        nodeport: The port that answers on every node.
        namespace: Where everything runs.
        images: What runs: the images' references, by name.
        etcd_endpoints: The members' client URLs inside the cluster, with commas between them.
        backup_url: Where backup answers inside the namespace; empty if there is none.
    """

    nodeport: pulumi.Output[int]
    namespace: pulumi.Output[str]
    images: Mapping[str, pulumi.Output[str]]
    etcd_endpoints: str
    backup_url: str


@dataclass(frozen=True)
class _Place:
    """What all that runs shares: the way to the cluster, the namespace, the images, and what it takes to pull them."""

    in_cluster: pulumi.ResourceOptions
    adopting: k8s.Provider
    namespace: pulumi.Output[str]
    images: Mapping[Target, pulumi.Output[str]]
    pull_secrets: Sequence[pulumi.Output[str]]


def build(settings: Settings, stack: str) -> Outputs:
    """Declare every resource of a stack.

    Args:
        settings: The stack's settings.
        stack: The stack's name.
    """
    place = _place(settings, stack)
    NetworkPolicies(
        "network-policies",
        NetworkPoliciesArgs(namespace=place.namespace, backup=settings.backup is not None),
        place.in_cluster,
    )
    endpoints = EtcdEndpoints(
        "etcd-endpoints", EtcdEndpointsArgs(namespace=place.namespace, members=settings.etcd.members), place.in_cluster
    )
    backup = _backup(settings, place, endpoints)
    etcd = EtcdCluster(
        "etcd",
        EtcdClusterArgs(
            namespace=place.namespace,
            image=place.images[Target.ETCD],
            pull_secrets=place.pull_secrets,
            spread=settings.cluster.spread,
            controller=_controller(settings, place, endpoints, backup),
            backup=backup,
            settings=settings.etcd,
        ),
        place.in_cluster,
    )
    counter = Counter(
        "counter",
        CounterArgs(
            namespace=place.namespace,
            image=place.images[Target.COUNTER],
            pull_secrets=place.pull_secrets,
            spread=settings.cluster.spread,
            endpoints=endpoints,
            etcd=etcd,
            database_room=database_room(settings.etcd),
            settings=settings.counter,
        ),
        place.in_cluster,
    )
    return Outputs(
        nodeport=counter.node_port,
        namespace=place.namespace,
        images={target.value: reference for target, reference in place.images.items()},
        etcd_endpoints=endpoints.urls,
        backup_url=Backup.URL if backup else "",
    )


def _place(settings: Settings, stack: str) -> _Place:
    context = context_of_unchanged(settings)
    cluster = cluster_provider(context, settings.cluster.kubeconfig)
    in_cluster = pulumi.ResourceOptions(provider=cluster)
    adopting = adopting_provider(context, settings.cluster.kubeconfig)
    namespace = make_namespace("namespace", settings.cluster.namespace, "restricted", adopting).metadata.name
    images = Images(
        "images",
        ImagesArgs(
            delivery=settings.images.delivery, login=settings.images.login, tag=stack, targets=settings.images.targets
        ),
        # Not for the provider's sake: nothing is built either for a stack that can't be changed like this.
        pulumi.ResourceOptions(depends_on=[cluster]),
    )
    return _Place(
        in_cluster=in_cluster,
        adopting=adopting,
        namespace=namespace,
        images=images.references,
        pull_secrets=make_pull_secrets("registry-login", settings.images.login, namespace, in_cluster),
    )


def _controller(settings: Settings, place: _Place, endpoints: EtcdEndpoints, backup: Backup | None) -> Controller:
    return Controller(
        "controller",
        ControllerArgs(
            namespace=place.namespace,
            image=place.images[Target.CONTROLLER],
            pull_secrets=place.pull_secrets,
            record=make_record(place.namespace, place.adopting),
            endpoints=endpoints,
            backup=backup,
            settings=settings.controller,
        ),
        place.in_cluster,
    )


def _backup(settings: Settings, place: _Place, endpoints: EtcdEndpoints) -> Backup | None:
    """Backup and the volume for its snapshots, if they are wanted."""
    if settings.backup is None:
        return None
    return Backup(
        "backup",
        BackupArgs(
            namespace=place.namespace,
            image=place.images[Target.BACKUP],
            pull_secrets=place.pull_secrets,
            claim=_snapshots_claim(settings.backup.volume, settings, place),
            endpoints=endpoints,
            member_storage=settings.etcd.storage,
            settings=settings.backup,
        ),
        place.in_cluster,
    )


def _snapshots_claim(
    volume: NfsServerSettings | NfsExport | ExistingClaim, settings: Settings, place: _Place
) -> pulumi.Input[str]:
    match volume:
        case NfsServerSettings():
            server = _nfs_server(volume, settings, place)
            return _nfs_volume(server.address, NfsServer.PATH, place).claim
        case NfsExport(server_name, path):
            return _nfs_volume(server_name, path, place).claim
        case ExistingClaim(name):
            return name


def _nfs_server(server: NfsServerSettings, settings: Settings, place: _Place) -> NfsServer:
    return NfsServer(
        "nfs-server",
        NfsServerArgs(
            namespace=f"{settings.cluster.namespace}-nfs",
            adopting=place.adopting,
            image=place.images[Target.NFS],
            login=settings.images.login,
            settings=server,
        ),
        place.in_cluster,
    )


def _nfs_volume(server: pulumi.Input[str], path: str, place: _Place) -> NfsVolume:
    return NfsVolume("snapshots", NfsVolumeArgs(namespace=place.namespace, server=server, path=path), place.in_cluster)
