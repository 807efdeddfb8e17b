"""Backup: the Deployment that saves etcd's snapshots, and the Service by which members ask for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pulumi
import pulumi_kubernetes as k8s

from ha_counter.etcd_endpoints import EtcdEndpoints
from ha_counter.labels import labels, selector
from ha_counter.pods import (
    container_security,
    http_readiness,
    leaves_a_lost_node,
    pod_spec,
    resource_requirements,
    tcp_liveness,
    variable,
    variable_from_limit,
    variable_from_pod,
)
from ha_counter.quantities import byte_count
from ha_counter.settings import BackupSettings

WORKLOAD = "etcd-backup"
_LABELS = labels(WORKLOAD, "backup")
_PORT = 8080
_SNAPSHOTS = "/snapshots"
_SCRATCH = "/scratch"
_GRACE_SECONDS = 30
_PROGRESS_DEADLINE_SECONDS = 120

# Scratch members of etcd start there from snapshots: one follows the log, one proves a new snapshot. Each may get as
# large as a member, and so may the files that they are made from and into.
_SCRATCH_PER_MEMBER_VOLUME = 4

# What Go's garbage collector keeps each scratch member to, of the memory: two of them run while a snapshot is proven.
_SCRATCH_MEMORY = Decimal("0.4")


@dataclass(frozen=True)
class BackupArgs:
    """What `Backup` needs.

    Attributes:
        namespace: Where everything is made.
        image: Reference of backup's image.
        pull_secrets: Names of the Secrets that the registry wants, if it wants any.
        claim: Name of the claim to the volume that the snapshots are kept on.
        endpoints: Where the members are.
        member_storage: Size of a member's volume.
        settings: How often a snapshot is saved, how large backup may get, and how much it logs.
    """

    namespace: pulumi.Input[str]
    image: pulumi.Input[str]
    pull_secrets: Sequence[pulumi.Input[str]]
    claim: pulumi.Input[str]
    endpoints: EtcdEndpoints
    member_storage: str
    settings: BackupSettings


class Backup(pulumi.ComponentResource):
    """What saves etcd's snapshots. It serves without etcd, too, since members ask it before their first start.

    Attributes:
        service: It exists once backup serves.
        URL: Where pods of the namespace reach it.
    """

    URL = f"http://{WORKLOAD}:{_PORT}"

    service: k8s.core.v1.Service

    def __init__(self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ha-counter:index:Backup", name, None, opts)
        self.service = self._service(args, self._deployment(args))
        self.register_outputs({})

    def _deployment(self, args: BackupArgs) -> k8s.apps.v1.Deployment:
        return k8s.apps.v1.Deployment(
            WORKLOAD,
            metadata=_metadata(args),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=1,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(WORKLOAD)),
                # Two at once do no harm, but each would write a log of its own.
                strategy=k8s.apps.v1.DeploymentStrategyArgs(type="Recreate"),
                progress_deadline_seconds=_PROGRESS_DEADLINE_SECONDS,
                template=k8s.core.v1.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(
                        labels=_LABELS,
                        # As of the counter's pods: a changed ConfigMap makes them roll.
                        annotations={"ha-counter/etcd-endpoints": args.endpoints.urls},
                    ),
                    spec=pod_spec(
                        container=_container(args),
                        pull_secrets=args.pull_secrets,
                        grace_seconds=_GRACE_SECONDS,
                        volumes=_volumes(args),
                        tolerations=leaves_a_lost_node(),
                    ),
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _service(self, args: BackupArgs, deployment: k8s.apps.v1.Deployment) -> k8s.core.v1.Service:
        return k8s.core.v1.Service(
            WORKLOAD,
            metadata=_metadata(args),
            spec=k8s.core.v1.ServiceSpecArgs(
                selector=selector(WORKLOAD),
                ports=[k8s.core.v1.ServicePortArgs(name="http", port=_PORT, target_port="http")],
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )


def _metadata(args: BackupArgs) -> k8s.meta.v1.ObjectMetaArgs:
    return k8s.meta.v1.ObjectMetaArgs(namespace=args.namespace, name=WORKLOAD, labels=_LABELS)


def _container(args: BackupArgs) -> k8s.core.v1.ContainerArgs:
    return k8s.core.v1.ContainerArgs(
        name="backup",
        image=args.image,
        env=[
            variable_from_pod("MY_POD_NAME", "metadata.name"),
            args.endpoints.variable(),
            variable("SNAPSHOTS_DIR", _SNAPSHOTS),
            variable("SCRATCH_DIR", _SCRATCH),
            variable("SNAPSHOT_INTERVAL", str(args.settings.interval)),
            variable("PORT", str(_PORT)),
            variable("LOG_LEVEL", args.settings.log_level),
            # For etcdutl, as for the members. Scratch members get one processor, which backup sees to itself.
            variable_from_limit("GOMAXPROCS", "limits.cpu"),
            variable("GOMEMLIMIT", str(int(byte_count(args.settings.resources.memory_limit) * _SCRATCH_MEMORY))),
        ],
        ports=[k8s.core.v1.ContainerPortArgs(name="http", container_port=_PORT)],
        volume_mounts=[
            k8s.core.v1.VolumeMountArgs(name="snapshots", mount_path=_SNAPSHOTS),
            k8s.core.v1.VolumeMountArgs(name="scratch", mount_path=_SCRATCH),
        ],
        # Neither asks etcd or touches the volume: backup serves without them, and a restart would bring neither back.
        readiness_probe=http_readiness("/healthz", failure_threshold=3),
        liveness_probe=tcp_liveness(),
        resources=resource_requirements(args.settings.resources),
        security_context=container_security(),
    )


def _volumes(args: BackupArgs) -> list[k8s.core.v1.VolumeArgs]:
    scratch = int(byte_count(args.member_storage) * _SCRATCH_PER_MEMBER_VOLUME)
    return [
        k8s.core.v1.VolumeArgs(
            name="snapshots",
            persistent_volume_claim=k8s.core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=args.claim),
        ),
        k8s.core.v1.VolumeArgs(name="scratch", empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs(size_limit=str(scratch))),
    ]
