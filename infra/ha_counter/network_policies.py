"""Who may reach whom inside the namespace.

Only what comes in is restricted. That guards the data, which is all that there is to guard: the pods dial nothing but
each other and DNS. A rule for what goes out would have to know where each cluster's DNS runs, and a wrong guess stops
everything.
"""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from ha_counter import backup, controller, counter, etcd
from ha_counter.labels import labels, selector

_LABELS = labels("network-policies", "network")

# The workloads whose pods talk to etcd, whatever is configured.
_ETCD_CLIENTS = [counter.WORKLOAD, etcd.WORKLOAD, controller.WORKLOAD]


@dataclass(frozen=True)
class NetworkPoliciesArgs:
    """What `NetworkPolicies` needs.

    Attributes:
        namespace: Whose pods are guarded.
        backup: Whether there is backup among them.
    """

    namespace: pulumi.Input[str]
    backup: bool


class NetworkPolicies(pulumi.ComponentResource):
    """The rules, for network plugins that keep them. The kubelet's probes need none: a node reaches its own pods."""

    def __init__(self, name: str, args: NetworkPoliciesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ha-counter:index:NetworkPolicies", name, None, opts)
        allowed = [
            self._to_etcd(args),
            self._to_counter(args),
            self._to_controller(args),
            *([self._to_backup(args)] if args.backup else []),
        ]
        self._nothing_else(args, allowed)
        self.register_outputs({})

    def _to_etcd(self, args: NetworkPoliciesArgs) -> k8s.networking.v1.NetworkPolicy:
        return self._policy(
            args,
            "etcd",
            k8s.meta.v1.LabelSelectorArgs(match_labels=selector(etcd.WORKLOAD)),
            [
                _ingress("client", [*_ETCD_CLIENTS, *([backup.WORKLOAD] if args.backup else [])]),
                # The controller asks there who a member is that has found no quorum yet.
                _ingress("peer", [etcd.WORKLOAD, controller.WORKLOAD]),
                # From everywhere: it tells how the members are, not what they store, and who collects that is unknown.
                _ingress("metrics"),
            ],
        )

    def _to_counter(self, args: NetworkPoliciesArgs) -> k8s.networking.v1.NetworkPolicy:
        return self._policy(
            args,
            "counter",
            k8s.meta.v1.LabelSelectorArgs(match_labels=selector(counter.WORKLOAD)),
            [
                _ingress("http"),
                _ingress("peer", [counter.WORKLOAD]),
            ],
        )

    def _to_controller(self, args: NetworkPoliciesArgs) -> k8s.networking.v1.NetworkPolicy:
        return self._policy(
            args,
            "controller",
            k8s.meta.v1.LabelSelectorArgs(match_labels=selector(controller.WORKLOAD)),
            # Whoever says that it is a member with nothing gets another member's place.
            [_ingress("http", [etcd.WORKLOAD])],
        )

    def _to_backup(self, args: NetworkPoliciesArgs) -> k8s.networking.v1.NetworkPolicy:
        return self._policy(
            args,
            "backup",
            k8s.meta.v1.LabelSelectorArgs(match_labels=selector(backup.WORKLOAD)),
            # Also not for whoever collects metrics: the same port gives all of the data, and takes some.
            [_ingress("http", [etcd.WORKLOAD, controller.WORKLOAD])],
        )

    def _nothing_else(
        self, args: NetworkPoliciesArgs, allowed: list[k8s.networking.v1.NetworkPolicy]
    ) -> k8s.networking.v1.NetworkPolicy:
        # After the others, so that what is allowed is not cut off meanwhile.
        return self._policy(args, "default-deny", k8s.meta.v1.LabelSelectorArgs(), [], depends_on=allowed)

    def _policy(
        self,
        args: NetworkPoliciesArgs,
        name: str,
        pods: k8s.meta.v1.LabelSelectorArgs,
        ingress: list[k8s.networking.v1.NetworkPolicyIngressRuleArgs],
        depends_on: list[k8s.networking.v1.NetworkPolicy] | None = None,
    ) -> k8s.networking.v1.NetworkPolicy:
        return k8s.networking.v1.NetworkPolicy(
            name,
            metadata=k8s.meta.v1.ObjectMetaArgs(namespace=args.namespace, labels=_LABELS),
            spec=k8s.networking.v1.NetworkPolicySpecArgs(
                pod_selector=pods, policy_types=["Ingress"], ingress=ingress or None
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=depends_on),
        )


def _ingress(port: str, workloads: list[str] | None = None) -> k8s.networking.v1.NetworkPolicyIngressRuleArgs:
    """Let something in.

    Args:
        port: Name of the container's port.
        workloads: Whose pods of this namespace may come. None: everybody from everywhere.
    """
    return k8s.networking.v1.NetworkPolicyIngressRuleArgs(
        ports=[k8s.networking.v1.NetworkPolicyPortArgs(port=port)],
        from_=None if workloads is None else [_pods_of(workload) for workload in workloads],
    )


def _pods_of(workload: str) -> k8s.networking.v1.NetworkPolicyPeerArgs:
    return k8s.networking.v1.NetworkPolicyPeerArgs(
        pod_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(workload))
    )
