"""What an NFS server exports, as a volume that pods can mount."""

import hashlib
import re
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from ha_counter.labels import labels
from ha_counter.nfs_server import NfsServer

_LABELS = labels("snapshots", "storage")

# Kubernetes wants one, and NFS keeps to none: what counts is the room that the server has.
_SIZE = "1Gi"

# A mount that waits for a dead server without end ("hard") can't be unmounted: its pod hangs, and the kubelet with it.
# This one fails what it is asked for after two answers that did not come: 2.5 s and 5 s are waited for them.
_MOUNT_OPTIONS = ["nfsvers=4.1", "soft", "timeo=25", "retrans=2"]


@dataclass(frozen=True)
class NfsVolumeArgs:
    """What `NfsVolume` needs.

    Attributes:
        namespace: Where the pods are that mount it.
        server: The server's address or name.
        path: What it exports.
    """

    namespace: pulumi.Input[str]
    server: pulumi.Input[str]
    path: str


class NfsVolume(pulumi.ComponentResource):
    """A PersistentVolume, because only there can mount options be set, and the claim to it.

    Neither can be changed later. So both are named after what they lead to: something else makes another volume.

    Attributes:
        claim: What pods name.
    """

    claim: pulumi.Output[str]

    def __init__(self, name: str, args: NfsVolumeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ha-counter:index:NfsVolume", name, None, opts)
        name_of_both = pulumi.Output.from_input(args.server).apply(lambda server: _name(server, args.path))
        claim = self._claim(args, self._volume(args, name_of_both))
        self.claim = claim.metadata.name
        self.register_outputs({"claim": self.claim})

    def _volume(self, args: NfsVolumeArgs, name: pulumi.Output[str]) -> k8s.core.v1.PersistentVolume:
        return k8s.core.v1.PersistentVolume(
            "snapshots",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=name, labels=_LABELS),
            spec=k8s.core.v1.PersistentVolumeSpecArgs(
                capacity={"storage": _SIZE},
                access_modes=["ReadWriteMany"],
                persistent_volume_reclaim_policy="Retain",
                storage_class_name="",
                mount_options=_MOUNT_OPTIONS,
                nfs=k8s.core.v1.NFSVolumeSourceArgs(server=args.server, path=args.path),
                # For nobody else's claim, though any that wants no class and no more room would fit.
                claim_ref=k8s.core.v1.ObjectReferenceArgs(
                    api_version="v1", kind="PersistentVolumeClaim", namespace=args.namespace, name=name
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _claim(self, args: NfsVolumeArgs, volume: k8s.core.v1.PersistentVolume) -> k8s.core.v1.PersistentVolumeClaim:
        return k8s.core.v1.PersistentVolumeClaim(
            "snapshots",
            metadata=k8s.meta.v1.ObjectMetaArgs(namespace=args.namespace, name=volume.metadata.name, labels=_LABELS),
            spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
                access_modes=["ReadWriteMany"],
                storage_class_name="",
                volume_name=volume.metadata.name,
                resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": _SIZE}),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _name(server: str, path: str) -> str:
    """A name that Kubernetes takes: etcd-snapshots-10-0-0-7, with more to it for another path than our server's."""
    words = re.findall("[a-z0-9]+", server)
    folder = [] if path == NfsServer.PATH else [hashlib.sha256(path.encode()).hexdigest()[:8]]
    return "-".join(["etcd-snapshots", *words, *folder])
