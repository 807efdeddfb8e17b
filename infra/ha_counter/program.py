"""The whole system, put together."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from ha_counter.counter import Counter, CounterArgs
from ha_counter.delivery import RegistryLogin
from ha_counter.etcd import EtcdCluster, EtcdClusterArgs
from ha_counter.fixed_settings import context_of_unchanged
from ha_counter.images import Images, ImagesArgs
from ha_counter.namespace import make_namespace
from ha_counter.network_policies import NetworkPolicies, NetworkPoliciesArgs
from ha_counter.providers import cluster_provider, namespace_provider
from ha_counter.pull_secret import make_pull_secret
from ha_counter.settings import Settings


@dataclass(frozen=True)
class Outputs:
    """What a user of the stack wants to know.

    Attributes:
        nodeport: The port that answers on every node.
        namespace: Where everything runs.
        images: What runs: the images' references, by name.
        etcd_endpoints: The members' client URLs inside the cluster, with commas between them.
    """

    nodeport: pulumi.Output[int]
    namespace: pulumi.Output[str]
    images: Mapping[str, pulumi.Output[str]]
    etcd_endpoints: str


def build(settings: Settings, stack: str) -> Outputs:
    """Declare every resource of a stack.

    Args:
        settings: The stack's settings.
        stack: The stack's name.
    """
    context = context_of_unchanged(settings)
    cluster = cluster_provider(context, settings.cluster.kubeconfig)
    in_cluster = pulumi.ResourceOptions(provider=cluster)
    namespace = make_namespace(settings.cluster.namespace, namespace_provider(context, settings.cluster.kubeconfig))
    NetworkPolicies("network-policies", NetworkPoliciesArgs(namespace=namespace.metadata.name), in_cluster)
    images = Images(
        "images",
        ImagesArgs(delivery=settings.images.delivery, login=settings.images.login, tag=stack),
        # Not for the provider's sake: nothing is built either for a stack that can't be changed like this.
        pulumi.ResourceOptions(depends_on=[cluster]),
    )
    pull_secrets = _pull_secrets(settings.images.login, namespace.metadata.name, in_cluster)
    etcd = EtcdCluster(
        "etcd",
        EtcdClusterArgs(
            namespace=namespace.metadata.name,
            image=images.etcd,
            pull_secrets=pull_secrets,
            spread=settings.cluster.spread,
            token=f"{settings.cluster.namespace}-{stack}",
            settings=settings.etcd,
        ),
        in_cluster,
    )
    counter = Counter(
        "counter",
        CounterArgs(
            namespace=namespace.metadata.name,
            image=images.counter,
            pull_secrets=pull_secrets,
            spread=settings.cluster.spread,
            etcd=etcd,
            settings=settings.counter,
        ),
        in_cluster,
    )
    return Outputs(
        nodeport=counter.node_port,
        namespace=namespace.metadata.name,
        images={"counter": images.counter, "etcd": images.etcd},
        etcd_endpoints=etcd.endpoints,
    )


def _pull_secrets(
    login: RegistryLogin | None, namespace: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> list[pulumi.Output[str]]:
    """Names of the Secrets that pods need to have their images pulled: one, if the registry wants a login."""
    return [] if login is None else [make_pull_secret(login, namespace, opts).metadata.name]
