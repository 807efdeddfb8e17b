"""Images that are copied into the nodes of a kind or minikube cluster, so that no registry is needed."""

import shutil
import subprocess
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider

_KIND_CONTEXT = "kind-"
_TIMEOUT_SECONDS = 600


class NodeImage(Resource, module="ha-counter", name="NodeImage"):
    """An image in all nodes of a cluster. It stays there when it is no longer needed: the kubelets clean up.

    Nodes that join later don't get it.

    Attributes:
        reference: The image's name and tag, known once the nodes have it.
    """

    reference: pulumi.Output[str]

    def __init__(self, name: str, reference: pulumi.Input[str], context: str, opts: pulumi.ResourceOptions) -> None:
        """Copy the image.

        Args:
            name: What Pulumi calls it.
            reference: The image's name and tag in this machine's Docker. The tag must change with the content.
            context: The kubeconfig's context of the cluster.
            opts: Resource options.
        """
        super().__init__(_Loader(), name, {"reference": reference, "context": context}, opts)


def load_command(reference: str, context: str) -> list[str]:
    """What copies an image into the nodes.

    kind calls the context of a cluster `kind-CLUSTER`, minikube calls it like the cluster's profile.
    """
    if context.startswith(_KIND_CONTEXT):
        return ["kind", "load", "docker-image", reference, "--name", context.removeprefix(_KIND_CONTEXT)]
    return ["minikube", "image", "load", reference, "--profile", context]


class _Loader(ResourceProvider):
    # It holds no secrets, and so can be seen in the state.
    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        changed = [key for key in ("reference", "context") if olds[key] != news.get(key)]
        return DiffResult(changes=bool(changed), replaces=changed)

    def create(self, props: dict[str, Any]) -> CreateResult:
        run(load_command(props["reference"], props["context"]))
        return CreateResult(id_=f"{props['context']}/{props['reference']}", outs=props)


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
