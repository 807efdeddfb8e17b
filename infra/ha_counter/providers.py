"""The ways to the cluster. Without them Pulumi would take the kubeconfig's current context, whatever that is."""

import pulumi
import pulumi_kubernetes as k8s


def cluster_provider(context: pulumi.Input[str], kubeconfig: str | None) -> k8s.Provider:
    """The provider of all that goes with the stack. It refuses to take over objects that are not the stack's."""
    return k8s.Provider(
        "cluster",
        context=context,
        kubeconfig=kubeconfig,
        # Otherwise a changed ConfigMap of a fixed name is deleted before it is made anew, and pods miss it meanwhile.
        enable_config_map_mutable=True,
    )


def adopting_provider(context: pulumi.Input[str], kubeconfig: str | None) -> k8s.Provider:
    """The provider of what outlives the stack: it takes over what is there, left behind when a stack was destroyed."""
    # Live stacks know it by this name. By another one, Pulumi would replace all that it made.
    return k8s.Provider("namespace", context=context, kubeconfig=kubeconfig, upsert_existing_objects=True)
