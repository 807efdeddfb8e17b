"""The whole system, put together."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from ha_counter.counter import Counter, CounterArgs
from ha_counter.etcd import EtcdCluster, EtcdClusterArgs
from ha_counter.images import Images, ImagesArgs
from ha_counter.namespace import make_namespace
from ha_counter.network_policies import NetworkPolicies, NetworkPoliciesArgs
from ha_counter.settings import ClusterSettings, Settings


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
    in_cluster = pulumi.ResourceOptions(provider=_provider(settings.cluster))
    namespace = make_namespace(settings.cluster.namespace, in_cluster)
    NetworkPolicies("network-policies", NetworkPoliciesArgs(namespace=namespace.metadata.name), in_cluster)
    images = Images("images", ImagesArgs(registry=settings.images.registry, tag=stack))
    etcd = EtcdCluster(
        "etcd",
        EtcdClusterArgs(
            namespace=namespace.metadata.name,
            image=images.etcd,
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


def _provider(cluster: ClusterSettings) -> k8s.Provider:
    """The one way to the cluster. Without it Pulumi would take the kubeconfig's current context, whatever that is."""
    return k8s.Provider(
        "cluster",
        context=cluster.context,
        kubeconfig=cluster.kubeconfig,
        # Otherwise a changed ConfigMap of a fixed name is deleted before it is made anew, and pods miss it meanwhile.
        enable_config_map_mutable=True,
    )
