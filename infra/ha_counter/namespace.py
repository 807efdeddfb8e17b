"""The namespaces, which outlive the stack."""

from typing import Literal

import pulumi
import pulumi_kubernetes as k8s

# Pulumi would write to every object under another, random name. `make destroy` knows by the name that a namespace is
# ours, and a stack that takes over the namespace of one before it writes on in the place of that.
_WRITER = {"pulumi.com/patchFieldManager": "ha-counter"}


def make_namespace(
    resource: str,
    name: str,
    pod_security: Literal["restricted", "privileged"],
    adopting: k8s.Provider,
    parent: pulumi.Resource | None = None,
) -> k8s.core.v1.Namespace:
    """Declare a namespace, which outlives the stack.

    Args:
        resource: What Pulumi calls it.
        name: What the cluster calls it.
        pod_security: What its pods may ask for, as a standard of
            https://kubernetes.io/docs/concepts/security/pod-security-standards/ has it. Kubernetes turns away others,
            and says what is wrong with workloads whose pods it would turn away.
        adopting: Takes over a namespace of this name that is there already.
        parent: The component that it is a part of, if it is one of one.
    """
    return k8s.core.v1.Namespace(
        resource,
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=name,
            labels={f"pod-security.kubernetes.io/{mode}": pod_security for mode in ("enforce", "warn", "audit")},
            annotations=_WRITER,
        ),
        # With the namespace would go its volumes. They stay, and the next deployment goes on with what is in them.
        opts=pulumi.ResourceOptions(parent=parent, provider=adopting, retain_on_delete=True),
    )
