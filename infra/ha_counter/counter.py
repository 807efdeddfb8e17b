"""The counter: a Deployment, and the Service that answers on every node's port."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from ha_counter.etcd import EtcdCluster
from ha_counter.etcd_endpoints import EtcdEndpoints
from ha_counter.labels import labels, selector
from ha_counter.pods import (
    container_security,
    http_readiness,
    pod_spec,
    resource_requirements,
    tcp_liveness,
    variable,
    variable_from_pod,
)
from ha_counter.settings import CounterSettings
from ha_counter.spread import Spread, spread_over_nodes

WORKLOAD = "counter"
_LABELS = labels(WORKLOAD, "api")
_PORT = 8080
_PEER_PORT = 8081
_GRACE_SECONDS = 45
_ENDPOINT_REMOVAL_SECONDS = 5
_PROGRESS_DEADLINE_SECONDS = 120


@dataclass(frozen=True)
class CounterArgs:
    """What `Counter` needs.

    Attributes:
        namespace: Where everything is made.
        image: Reference of the counter's image.
        pull_secrets: Names of the Secrets that the registry wants, if it wants any.
        spread: How strictly pods are kept on different nodes.
        endpoints: Where the members of etcd are.
        etcd: The cluster that the counter counts in.
        database_room: Bytes of its database up to which increments with keys are taken.
        settings: Number of pods, their size, how much they log, and the node port.
    """

    namespace: pulumi.Input[str]
    image: pulumi.Input[str]
    pull_secrets: Sequence[pulumi.Input[str]]
    spread: Spread
    endpoints: EtcdEndpoints
    etcd: EtcdCluster
    database_room: int
    settings: CounterSettings


class Counter(pulumi.ComponentResource):
    """The counter, reachable from outside the cluster.

    Attributes:
        node_port: The port that answers on every node.
    """

    node_port: pulumi.Output[int]

    def __init__(self, name: str, args: CounterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ha-counter:index:Counter", name, None, opts)
        self._deployment(args)
        self._disruption_budget(args)
        service = self._service(args)
        self.node_port = service.spec.ports[0].node_port
        self.register_outputs({"node_port": self.node_port})

    def _deployment(self, args: CounterArgs) -> k8s.apps.v1.Deployment:
        return k8s.apps.v1.Deployment(
            "counter-deployment",
            metadata=_metadata(args, name="counter-deployment"),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=args.settings.replicas,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(WORKLOAD)),
                # A new pod must be ready before an old one goes.
                strategy=k8s.apps.v1.DeploymentStrategyArgs(
                    type="RollingUpdate",
                    rolling_update=k8s.apps.v1.RollingUpdateDeploymentArgs(max_unavailable=0, max_surge=1),
                ),
                progress_deadline_seconds=_PROGRESS_DEADLINE_SECONDS,
                template=k8s.core.v1.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(
                        labels=_LABELS,
                        # Pods read the ConfigMap once, when they start: this makes them roll when it changes.
                        annotations={"ha-counter/etcd-endpoints": args.endpoints.urls},
                    ),
                    spec=pod_spec(
                        container=_container(args),
                        pull_secrets=args.pull_secrets,
                        spread=spread_over_nodes(args.spread, selector(WORKLOAD), revision_label="pod-template-hash"),
                        grace_seconds=_GRACE_SECONDS,
                    ),
                ),
            ),
            # Not ready without etcd, so started after it: what fails then is the counter.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.etcd.stateful_set]),
        )

    def _disruption_budget(self, args: CounterArgs) -> k8s.policy.v1.PodDisruptionBudget:
        return k8s.policy.v1.PodDisruptionBudget(
            "counter",
            metadata=_metadata(args),
            spec=k8s.policy.v1.PodDisruptionBudgetSpecArgs(
                max_unavailable=1,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(WORKLOAD)),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _service(self, args: CounterArgs) -> k8s.core.v1.Service:
        return k8s.core.v1.Service(
            "svc-counter",
            metadata=_metadata(args, name="svc-counter"),
            spec=k8s.core.v1.ServiceSpecArgs(
                type="NodePort",
                selector=selector(WORKLOAD),
                ports=[
                    k8s.core.v1.ServicePortArgs(
                        name="http", port=_PORT, target_port="http", node_port=args.settings.node_port
                    )
                ],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _metadata(args: CounterArgs, name: str | None = None) -> k8s.meta.v1.ObjectMetaArgs:
    return k8s.meta.v1.ObjectMetaArgs(namespace=args.namespace, name=name, labels=_LABELS)


def _container(args: CounterArgs) -> k8s.core.v1.ContainerArgs:
    return k8s.core.v1.ContainerArgs(
        name="counter",
        image=args.image,
        env=[
            variable_from_pod("MY_POD_NAME", "metadata.name"),
            variable_from_pod("MY_POD_NAMESPACE", "metadata.namespace"),
            variable_from_pod("MY_NODE_NAME", "spec.nodeName"),
            variable_from_pod("MY_POD_IP", "status.podIP"),
            args.endpoints.variable(),
            variable("DATABASE_ROOM", str(args.database_room)),
            variable("LOG_LEVEL", args.settings.log_level),
        ],
        ports=[
            k8s.core.v1.ContainerPortArgs(name="http", container_port=_PORT),
            k8s.core.v1.ContainerPortArgs(name="peer", container_port=_PEER_PORT),
        ],
        # Asks etcd. The program answers within 2 s, with 503 if etcd does not.
        readiness_probe=http_readiness("/healthz", failure_threshold=2),
        # Does not ask etcd: a restart would not bring it back.
        liveness_probe=tcp_liveness(),
        # The program is told to end only when nodes have stopped to send it requests.
        lifecycle=k8s.core.v1.LifecycleArgs(
            pre_stop=k8s.core.v1.LifecycleHandlerArgs(
                sleep=k8s.core.v1.SleepActionArgs(seconds=_ENDPOINT_REMOVAL_SECONDS)
            )
        ),
        resources=resource_requirements(args.settings.resources),
        security_context=container_security(),
    )
