"""The controller: the Deployment that decides how etcd's members start, and what it may do in Kubernetes."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from ha_counter.backup import Backup
from ha_counter.etcd_endpoints import EtcdEndpoints
from ha_counter.labels import labels, selector
from ha_counter.members import MOST_MEMBERS
from ha_counter.pods import (
    container_security,
    http_readiness,
    leaves_a_lost_node,
    pod_spec,
    resource_requirements,
    tcp_liveness,
    variable,
    variable_from_pod,
)
from ha_counter.settings import ControllerSettings

WORKLOAD = "etcd-controller"
_LABELS = labels(WORKLOAD, "controller")
_PORT = 8080
_GRACE_SECONDS = 10

_MEMBERS = range(MOST_MEMBERS)


@dataclass(frozen=True)
class ControllerArgs:
    """What `Controller` needs.

    Attributes:
        namespace: Where everything is made.
        image: Reference of the controller's image.
        pull_secrets: Names of the Secrets that the registry wants, if it wants any.
        record: What it writes its decisions to.
        endpoints: What says how many members there are to be.
        backup: What a new epoch may begin from, if there are snapshots.
        settings: How large it may get, and how much it logs.
    """

    namespace: pulumi.Input[str]
    image: pulumi.Input[str]
    pull_secrets: Sequence[pulumi.Input[str]]
    record: k8s.core.v1.ConfigMap
    endpoints: EtcdEndpoints
    backup: Backup | None
    settings: ControllerSettings


class Controller(pulumi.ComponentResource):
    """What decides about members. It mounts nothing: a volume that hangs must not keep a member from coming back.

    Attributes:
        service: It exists once the controller serves.
        URL: Where members reach it.
    """

    URL = f"http://{WORKLOAD}:{_PORT}"

    service: k8s.core.v1.Service

    def __init__(self, name: str, args: ControllerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ha-counter:index:Controller", name, None, opts)
        account = self._account(args)
        allowed = self._binding(args, account, self._role(args))
        self.service = self._service(args, self._deployment(args, account, allowed))
        self.register_outputs({})

    def _account(self, args: ControllerArgs) -> k8s.core.v1.ServiceAccount:
        return k8s.core.v1.ServiceAccount(WORKLOAD, metadata=_metadata(args), opts=pulumi.ResourceOptions(parent=self))

    def _role(self, args: ControllerArgs) -> k8s.rbac.v1.Role:
        """Each object by its name, so that it reaches nothing else of the namespace."""
        return k8s.rbac.v1.Role(
            WORKLOAD,
            metadata=_metadata(args),
            rules=[
                # Its record, which the program makes: Kubernetes can't limit by name what may be made.
                _rule("", "configmaps", ["get", "update"], [args.record.metadata.name]),
                # How many members are wanted.
                _rule("", "configmaps", ["get"], [args.endpoints.config_map]),
                # A member that runs as another one than it should asks again only in another pod.
                _rule("", "pods", ["get", "delete"], [f"etcd-{member}" for member in _MEMBERS]),
                # The claims of members that are no more.
                _rule("", "persistentvolumeclaims", ["get", "delete"], [f"data-etcd-{member}" for member in _MEMBERS]),
                # Whether it rolls, and how many pods it has.
                _rule("apps", "statefulsets", ["get"], ["etcd"]),
                # Pods before entries when members are added, and after them when they are removed.
                _rule("apps", "statefulsets/scale", ["patch"], ["etcd"]),
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _binding(
        self, args: ControllerArgs, account: k8s.core.v1.ServiceAccount, role: k8s.rbac.v1.Role
    ) -> k8s.rbac.v1.RoleBinding:
        return k8s.rbac.v1.RoleBinding(
            WORKLOAD,
            metadata=_metadata(args),
            role_ref=k8s.rbac.v1.RoleRefArgs(
                api_group="rbac.authorization.k8s.io", kind="Role", name=role.metadata.name
            ),
            subjects=[
                k8s.rbac.v1.SubjectArgs(
                    kind="ServiceAccount", name=account.metadata.name, namespace=account.metadata.namespace
                )
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _deployment(
        self, args: ControllerArgs, account: k8s.core.v1.ServiceAccount, allowed: k8s.rbac.v1.RoleBinding
    ) -> k8s.apps.v1.Deployment:
        return k8s.apps.v1.Deployment(
            WORKLOAD,
            metadata=_metadata(args),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=1,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(WORKLOAD)),
                # Two at once do no harm, but one would only ask again what the other knows.
                strategy=k8s.apps.v1.DeploymentStrategyArgs(type="Recreate"),
                template=k8s.core.v1.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(labels=_LABELS),
                    spec=pod_spec(
                        container=_container(args),
                        pull_secrets=args.pull_secrets,
                        grace_seconds=_GRACE_SECONDS,
                        tolerations=leaves_a_lost_node(),
                        service_account=account.metadata.name,
                    ),
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[allowed]),
        )

    def _service(self, args: ControllerArgs, deployment: k8s.apps.v1.Deployment) -> k8s.core.v1.Service:
        return k8s.core.v1.Service(
            WORKLOAD,
            metadata=_metadata(args),
            spec=k8s.core.v1.ServiceSpecArgs(
                selector=selector(WORKLOAD),
                ports=[k8s.core.v1.ServicePortArgs(name="http", port=_PORT, target_port="http")],
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )


def _metadata(args: ControllerArgs) -> k8s.meta.v1.ObjectMetaArgs:
    return k8s.meta.v1.ObjectMetaArgs(namespace=args.namespace, name=WORKLOAD, labels=_LABELS)


def _rule(
    group: str, resource: str, verbs: Sequence[str], names: Sequence[pulumi.Input[str]]
) -> k8s.rbac.v1.PolicyRuleArgs:
    return k8s.rbac.v1.PolicyRuleArgs(api_groups=[group], resources=[resource], verbs=[*verbs], resource_names=[*names])


def _container(args: ControllerArgs) -> k8s.core.v1.ContainerArgs:
    return k8s.core.v1.ContainerArgs(
        name="controller",
        image=args.image,
        env=[
            variable_from_pod("MY_POD_NAME", "metadata.name"),
            variable_from_pod("MY_POD_NAMESPACE", "metadata.namespace"),
            variable("BACKUP_URL", Backup.URL if args.backup else ""),
            variable("PORT", str(_PORT)),
            variable("LOG_LEVEL", args.settings.log_level),
        ],
        ports=[k8s.core.v1.ContainerPortArgs(name="http", container_port=_PORT)],
        # Neither asks etcd or Kubernetes: a restart would bring neither back.
        readiness_probe=http_readiness("/healthz", failure_threshold=3),
        liveness_probe=tcp_liveness(),
        resources=resource_requirements(args.settings.resources),
        security_context=container_security(),
    )
