"""The record: what was decided about etcd's members. The controller writes it before it acts."""

import pulumi
import pulumi_kubernetes as k8s

from ha_counter.labels import labels


def make_record(namespace: pulumi.Input[str], adopting: k8s.Provider) -> k8s.core.v1.ConfigMap:
    """Declare the record, which outlives the stack as the members' volumes do, for it tells how to read them.

    It is made empty, and no `data` is declared: what it holds is not Pulumi's to change.

    Args:
        namespace: Where the members are.
        adopting: Takes over a record that is there already.
    """
    return k8s.core.v1.ConfigMap(
        "etcd-cluster",
        metadata=k8s.meta.v1.ObjectMetaArgs(
            namespace=namespace, name="etcd-cluster", labels=labels("etcd", "database")
        ),
        opts=pulumi.ResourceOptions(provider=adopting, retain_on_delete=True),
    )
