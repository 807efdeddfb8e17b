"""Images that are copied into the nodes of a kind or minikube cluster, so that no registry is needed."""

import shutil
import subprocess

import pulumi

_KIND_CONTEXT = "kind-"
_TIMEOUT_SECONDS = 600


def copy_into_nodes(
    name: str, reference: pulumi.Input[str], context: str, parent: pulumi.Resource
) -> pulumi.Output[str]:
    """Have an image in all nodes of a cluster.

    The stack remembers what it copied last. It is copied before that is written down, so what failed is tried again.
    (`pulumi.dynamic` is of no use: its plugin does not find the virtual environment of a program in a subfolder.)

    Nodes that join later don't get the image, and nobody removes it: the kubelets clean up.

    Args:
        name: What Pulumi calls it.
        reference: The image's name and tag in this machine's Docker. The tag must change with the content.
        context: The kubeconfig's context of the cluster.
        parent: The component that it is a part of.

    Returns:
        The reference, known once the nodes have the image.
    """

    def copy(change: pulumi.ResourceHookArgs) -> None:
        run(load_command((change.new_inputs or {})["input"], context))

    hooks = pulumi.ResourceHookBinding(before_create=[copy], before_update=[copy])
    copied = pulumi.Stash(name, input=reference, opts=pulumi.ResourceOptions(parent=parent, hooks=hooks))
    return copied.input


def load_command(reference: str, context: str) -> list[str]:
    """What copies an image into the nodes.

    kind calls the context of a cluster `kind-CLUSTER`, minikube calls it like the cluster's profile.
    """
    if context.startswith(_KIND_CONTEXT):
        return ["kind", "load", "docker-image", reference, "--name", context.removeprefix(_KIND_CONTEXT)]
    return ["minikube", "image", "load", reference, "--profile", context]


def run(command: list[str]) -> None:
    """Run a command to its end.

    Raises:
        RuntimeError: If it is not installed, fails, or takes too long. The message has what it said last.
    """
    if shutil.which(command[0]) is None:
        raise RuntimeError(f"imageDelivery is 'load', which needs `{command[0]}`, and that is not on PATH")
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"`{' '.join(command)}` did not end within {_TIMEOUT_SECONDS} s") from error
    if done.returncode != 0:
        raise RuntimeError(f"`{' '.join(command)}` failed with exit code {done.returncode}: {done.stdout.strip()}")
