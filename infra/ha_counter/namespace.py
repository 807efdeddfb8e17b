"""The namespace that holds everything."""

import pulumi
import pulumi_kubernetes as k8s

# Kubernetes turns away pods that ask for more than https://kubernetes.io/docs/concepts/security/pod-security-standards/
# allows, and says what is wrong with workloads whose pods it would turn away.
_POD_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}

# Pulumi would write to every object under another, random name. `make destroy` knows by the name that a namespace is
# ours, and a stack that takes over the namespace of one before it writes on in the place of that.
_WRITER = {"pulumi.com/patchFieldManager": "ha-counter"}


def make_namespace(name: str, provider: k8s.Provider) -> k8s.core.v1.Namespace:
    """Declare the namespace, which outlives the stack.

    Args:
        name: What the cluster calls it.
        provider: Takes over a namespace of this name that is there already.
    """
    return k8s.core.v1.Namespace(
        "namespace",
        metadata=k8s.meta.v1.ObjectMetaArgs(name=name, labels=_POD_SECURITY, annotations=_WRITER),
        # With the namespace would go the members' volumes. They stay, and the next deployment goes on with the count.
        opts=pulumi.ResourceOptions(provider=provider, retain_on_delete=True),
    )
