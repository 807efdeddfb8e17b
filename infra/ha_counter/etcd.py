"""The etcd cluster: one StatefulSet, a Service for each member and one for them all."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from ha_counter.backup import Backup
from ha_counter.controller import Controller
from ha_counter.etcd_capacity import go_memory_limit, quota
from ha_counter.etcd_endpoints import CLIENT_PORT
from ha_counter.labels import labels, selector
from ha_counter.members import MOST_MEMBERS, member_names
from ha_counter.pods import (
    container_security,
    pod_spec,
    resource_requirements,
    variable,
    variable_from_limit,
    variable_from_pod,
)
from ha_counter.settings import EtcdSettings
from ha_counter.spread import Spread, spread_over_nodes
from ha_counter.volume_claims import volume_claim_template

WORKLOAD = "etcd"
_LABELS = labels(WORKLOAD, "database")
_PEER_PORT = 2380
_METRICS_PORT = 2381
_VOLUME = "data"
_VOLUME_PATH = "/var/lib/etcd"
_GRACE_SECONDS = 60


@dataclass(frozen=True)
class EtcdClusterArgs:
    """What `EtcdCluster` needs.

    Attributes:
        namespace: Where everything is made.
        image: Reference of the image whose entry point starts a member.
        pull_secrets: Names of the Secrets that the registry wants, if it wants any.
        spread: How strictly members are kept on different nodes.
        controller: What a member asks before it starts.
        backup: Where a member gets the file that it begins with after a restore, if there are snapshots.
        settings: Size of the cluster and of its members.
    """

    namespace: pulumi.Input[str]
    image: pulumi.Input[str]
    pull_secrets: Sequence[pulumi.Input[str]]
    spread: Spread
    controller: Controller
    backup: Backup | None
    settings: EtcdSettings


class EtcdCluster(pulumi.ComponentResource):
    """An etcd cluster inside Kubernetes.

    Member N is pod `etcd-N`; the others and all clients know it as `etcdN`, the name of its Service.

    Attributes:
        stateful_set: The members. It exists once all of them are ready.
    """

    stateful_set: k8s.apps.v1.StatefulSet

    def __init__(self, name: str, args: EtcdClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ha-counter:index:EtcdCluster", name, None, opts)
        services = [
            self._governing_service(args),
            # For all that there may ever be: a member that is to go must be reached until its entry is gone.
            *(self._member_service(args, member, ordinal) for ordinal, member in enumerate(member_names(MOST_MEMBERS))),
        ]
        self.stateful_set = self._stateful_set(args, services)
        self._client_service(args)
        self._disruption_budget(args)
        self.register_outputs({})

    def _governing_service(self, args: EtcdClusterArgs) -> k8s.core.v1.Service:
        """The headless Service that a StatefulSet must name. It gives each pod a DNS name of its own."""
        return k8s.core.v1.Service(
            "etcd",
            metadata=_metadata(args, name="etcd"),
            spec=k8s.core.v1.ServiceSpecArgs(
                cluster_ip="None",
                selector=selector(WORKLOAD),
                publish_not_ready_addresses=True,
                ports=[_service_port("client", CLIENT_PORT), _service_port("peer", _PEER_PORT)],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _member_service(self, args: EtcdClusterArgs, member: str, ordinal: int) -> k8s.core.v1.Service:
        return k8s.core.v1.Service(
            member,
            # Pulumi would wait for a pod behind the Service, and the pods are started when the Services are there.
            metadata=_metadata(args, name=member, annotations={"pulumi.com/skipAwait": "true"}),
            spec=k8s.core.v1.ServiceSpecArgs(
                selector={**selector(WORKLOAD), "statefulset.kubernetes.io/pod-name": f"etcd-{ordinal}"},
                # Members must find one another to form a cluster, and are ready only when they have formed it.
                publish_not_ready_addresses=True,
                ports=[_service_port("client", CLIENT_PORT), _service_port("peer", _PEER_PORT)],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _client_service(self, args: EtcdClusterArgs) -> k8s.core.v1.Service:
        return k8s.core.v1.Service(
            "etcd-client",
            metadata=_metadata(args, name="etcd-client"),
            spec=k8s.core.v1.ServiceSpecArgs(
                selector=selector(WORKLOAD),
                ports=[_service_port("client", CLIENT_PORT)],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _stateful_set(self, args: EtcdClusterArgs, services: list[k8s.core.v1.Service]) -> k8s.apps.v1.StatefulSet:
        return k8s.apps.v1.StatefulSet(
            "etcd",
            metadata=_metadata(args, name="etcd"),
            # Of these, service_name, pod_management_policy, selector and volume_claim_templates can't be changed later:
            # Kubernetes wants the whole StatefulSet replaced for that, which is an outage.
            spec=k8s.apps.v1.StatefulSetSpecArgs(
                service_name="etcd",
                # One after the other would never get past the first, which is not ready without the others.
                pod_management_policy="Parallel",
                # To begin with. From then on the controller scales it.
                replicas=args.settings.members,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(WORKLOAD)),
                template=k8s.core.v1.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(labels=_LABELS),
                    spec=pod_spec(
                        container=_container(args),
                        pull_secrets=args.pull_secrets,
                        spread=spread_over_nodes(args.spread, selector(WORKLOAD)),
                        grace_seconds=_GRACE_SECONDS,
                    ),
                ),
                volume_claim_templates=[
                    volume_claim_template(_VOLUME, args.settings.storage, args.settings.storage_class)
                ],
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[
                    # Without them a member's first look-up of the others fails, and DNS remembers that for a while.
                    *services,
                    # A member that has no data waits for its answer.
                    args.controller.service,
                    *([args.backup.service] if args.backup else []),
                ],
                ignore_changes=["spec.replicas"],
            ),
        )

    def _disruption_budget(self, args: EtcdClusterArgs) -> k8s.policy.v1.PodDisruptionBudget:
        return k8s.policy.v1.PodDisruptionBudget(
            "etcd",
            metadata=_metadata(args),
            spec=k8s.policy.v1.PodDisruptionBudgetSpecArgs(
                max_unavailable=1,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(WORKLOAD)),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _metadata(
    args: EtcdClusterArgs, name: str | None = None, annotations: dict[str, str] | None = None
) -> k8s.meta.v1.ObjectMetaArgs:
    return k8s.meta.v1.ObjectMetaArgs(namespace=args.namespace, name=name, labels=_LABELS, annotations=annotations)


def _service_port(name: str, number: int) -> k8s.core.v1.ServicePortArgs:
    return k8s.core.v1.ServicePortArgs(name=name, port=number, target_port=name)


def _container(args: EtcdClusterArgs) -> k8s.core.v1.ContainerArgs:
    return k8s.core.v1.ContainerArgs(
        name="etcd",
        image=args.image,
        env=[
            variable_from_pod("MY_POD_NAME", "metadata.name"),
            variable_from_pod("MY_POD_UID", "metadata.uid"),
            variable("CONTROLLER_URL", Controller.URL),
            variable("BACKUP_URL", Backup.URL if args.backup else ""),
            # Below the volume's root, which belongs to whoever made the volume.
            variable("DATA_DIR", f"{_VOLUME_PATH}/data"),
            # Go 1.24, by which etcd 3.6 is built, would plan for all processors of the node, whatever the limit.
            variable_from_limit("GOMAXPROCS", "limits.cpu"),
            variable("GOMEMLIMIT", str(go_memory_limit(args.settings))),
            variable("QUOTA", str(quota(args.settings))),
        ],
        ports=[
            k8s.core.v1.ContainerPortArgs(name="client", container_port=CLIENT_PORT),
            k8s.core.v1.ContainerPortArgs(name="peer", container_port=_PEER_PORT),
            k8s.core.v1.ContainerPortArgs(name="metrics", container_port=_METRICS_PORT),
        ],
        volume_mounts=[k8s.core.v1.VolumeMountArgs(name=_VOLUME, mount_path=_VOLUME_PATH)],
        # /livez answers without a quorum: to restart a member that lost the others would only make things worse.
        startup_probe=_probe("/livez", period_seconds=2, failure_threshold=150),
        liveness_probe=_probe("/livez", period_seconds=10, failure_threshold=6),
        readiness_probe=_probe("/readyz", period_seconds=3, failure_threshold=3),
        # Before it is told to end, a leader has a snapshot saved. The program sees to it that this takes 8 s at most.
        lifecycle=k8s.core.v1.LifecycleArgs(
            pre_stop=k8s.core.v1.LifecycleHandlerArgs(
                exec_=k8s.core.v1.ExecActionArgs(command=["python", "-m", "member.pre_stop"])
            )
        ),
        resources=resource_requirements(args.settings.resources),
        security_context=container_security(),
    )


def _probe(path: str, period_seconds: int, failure_threshold: int) -> k8s.core.v1.ProbeArgs:
    return k8s.core.v1.ProbeArgs(
        http_get=k8s.core.v1.HTTPGetActionArgs(path=path, port="metrics"),
        period_seconds=period_seconds,
        failure_threshold=failure_threshold,
        # A member on a busy disk may take longer than the default of 1 s, and is as well as before.
        timeout_seconds=5,
    )
