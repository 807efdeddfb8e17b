"""An NFS server inside the cluster, for where there is none: nfs-ganesha, on a volume of its own."""

from dataclasses import dataclass
from typing import cast

import pulumi
import pulumi_kubernetes as k8s

from ha_counter.delivery import RegistryLogin
from ha_counter.labels import labels, selector
from ha_counter.namespace import make_namespace
from ha_counter.pods import container_security, pod_spec, resource_requirements
from ha_counter.pull_secret import make_pull_secrets
from ha_counter.settings import NfsServerSettings
from ha_counter.volume_claims import volume_claim_template

WORKLOAD = "nfs"
_LABELS = labels(WORKLOAD, "storage")
_PORT = 2049
_VOLUME = "data"
_GRACE_SECONDS = 30

# What it writes besides its volume: the file with its process ID, and one that it tries locks with.
_WRITABLE = {"run": "/run", "tmp": "/tmp"}

# Each was tried: without any one of them it does not start, or refuses what clients ask for. It acts as the user that
# a client is (SETUID, SETGID), opens files by handles instead of paths (DAC_READ_SEARCH), and gives them owner and mode
# as asked (CHOWN, FOWNER, DAC_OVERRIDE).
_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "SETGID", "SETUID")


@dataclass(frozen=True)
class NfsServerArgs:
    """What `NfsServer` needs.

    Attributes:
        namespace: The name of the namespace that is made for it.
        adopting: Takes over a namespace of this name that is there already.
        image: Reference of the image whose entry point starts the server.
        login: The account at the registry of the image, if that wants one.
        settings: Size of the server and of its volume.
    """

    namespace: str
    adopting: k8s.Provider
    image: pulumi.Input[str]
    login: RegistryLogin | None
    settings: NfsServerSettings


class NfsServer(pulumi.ComponentResource):
    """An NFS server in a namespace of its own, since Pod Security lets only `privileged` ones have what it needs:
    the capability DAC_READ_SEARCH, and a system call that the usual seccomp profile forbids.

    Attributes:
        address: Where nodes reach it, on the usual port. It is known once the server serves.
        PATH: What it exports.
    """

    PATH = "/snapshots"

    address: pulumi.Output[str]

    def __init__(self, name: str, args: NfsServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ha-counter:index:NfsServer", name, None, opts)
        made = make_namespace("nfs-namespace", args.namespace, "privileged", args.adopting, parent=self)
        namespace = made.metadata.name
        policy = self._network_policy(namespace)
        service = self._service(namespace, self._stateful_set(args, namespace, policy))
        self.address = service.spec.cluster_ip.apply(_known)
        self.register_outputs({"address": self.address})

    def _network_policy(self, namespace: pulumi.Output[str]) -> k8s.networking.v1.NetworkPolicy:
        """Nothing comes in but NFS. That comes from nodes, which mount the volume for their pods, and a policy can't
        name nodes: so it may come from everywhere.
        """
        return k8s.networking.v1.NetworkPolicy(
            "nfs",
            metadata=k8s.meta.v1.ObjectMetaArgs(namespace=namespace, labels=_LABELS),
            spec=k8s.networking.v1.NetworkPolicySpecArgs(
                pod_selector=k8s.meta.v1.LabelSelectorArgs(),
                policy_types=["Ingress"],
                ingress=[
                    k8s.networking.v1.NetworkPolicyIngressRuleArgs(
                        ports=[k8s.networking.v1.NetworkPolicyPortArgs(port=_PORT)]
                    )
                ],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _stateful_set(
        self, args: NfsServerArgs, namespace: pulumi.Output[str], policy: pulumi.Resource
    ) -> k8s.apps.v1.StatefulSet:
        pull_secrets = make_pull_secrets(
            "nfs-registry-login", args.login, namespace, pulumi.ResourceOptions(parent=self)
        )
        return k8s.apps.v1.StatefulSet(
            "nfs",
            metadata=k8s.meta.v1.ObjectMetaArgs(namespace=namespace, name="nfs", labels=_LABELS),
            # As of etcd's: service name, pod management, selector and volume claims can't be changed later.
            spec=k8s.apps.v1.StatefulSetSpecArgs(
                service_name="nfs-service",
                # Otherwise a pod that never got ready is never replaced by one that might.
                pod_management_policy="Parallel",
                replicas=1,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(WORKLOAD)),
                template=k8s.core.v1.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(labels=_LABELS),
                    spec=pod_spec(
                        container=_container(args),
                        pull_secrets=pull_secrets,
                        grace_seconds=_GRACE_SECONDS,
                        volumes=[
                            k8s.core.v1.VolumeArgs(
                                name=volume, empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs(size_limit="16Mi")
                            )
                            for volume in _WRITABLE
                        ],
                        security=_security(),
                    ),
                ),
                volume_claim_templates=[
                    volume_claim_template(_VOLUME, args.settings.storage, args.settings.storage_class)
                ],
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )

    def _service(self, namespace: pulumi.Output[str], server: k8s.apps.v1.StatefulSet) -> k8s.core.v1.Service:
        """Made after the server: who knows its address may mount the export, and when all who do are gone, it goes."""
        return k8s.core.v1.Service(
            "nfs-service",
            metadata=k8s.meta.v1.ObjectMetaArgs(namespace=namespace, name="nfs-service", labels=_LABELS),
            spec=k8s.core.v1.ServiceSpecArgs(
                selector=selector(WORKLOAD),
                ports=[k8s.core.v1.ServicePortArgs(name="nfs", port=_PORT, target_port="nfs")],
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[server]),
        )


def _known(address: str | None) -> pulumi.Output[str]:
    """An address that there is, or one that a preview can't know, since the namespace itself is yet to be made."""
    return pulumi.Output.from_input(address or cast(str, pulumi.UNKNOWN))


def _security() -> k8s.core.v1.PodSecurityContextArgs:
    return k8s.core.v1.PodSecurityContextArgs(
        run_as_non_root=False,
        run_as_user=0,
        run_as_group=0,
        # It makes file handles with name_to_handle_at, which the profiles of the container runtimes allow only together
        # with CAP_SYS_ADMIN: that would be far more than to go without.
        seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="Unconfined"),
    )


def _container(args: NfsServerArgs) -> k8s.core.v1.ContainerArgs:
    mounts = {_VOLUME: "/data", **_WRITABLE}
    return k8s.core.v1.ContainerArgs(
        name="nfs",
        image=args.image,
        ports=[k8s.core.v1.ContainerPortArgs(name="nfs", container_port=_PORT)],
        volume_mounts=[k8s.core.v1.VolumeMountArgs(name=name, mount_path=path) for name, path in mounts.items()],
        startup_probe=_probe(period_seconds=1, failure_threshold=60),
        readiness_probe=_probe(period_seconds=10, failure_threshold=2),
        liveness_probe=_probe(period_seconds=30, failure_threshold=3),
        resources=resource_requirements(args.settings.resources),
        security_context=container_security(_CAPABILITIES),
    )


def _probe(period_seconds: int, failure_threshold: int) -> k8s.core.v1.ProbeArgs:
    """Reads a file over NFS. The port is open also when the server could not export the volume."""
    return k8s.core.v1.ProbeArgs(
        exec_=k8s.core.v1.ExecActionArgs(command=["python", "-m", "nfs.probe"]),
        period_seconds=period_seconds,
        failure_threshold=failure_threshold,
        timeout_seconds=10,
    )
