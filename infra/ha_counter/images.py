"""The container images, built from this repository's Dockerfile and pushed to the registry."""

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

# Pulumi runs the program in infra/. Relative paths keep the state the same wherever the repository is checked out.
_REPOSITORY = ".."
_DOCKERFILE = "../Dockerfile"


@dataclass(frozen=True)
class ImagesArgs:
    """What `Images` needs.

    Attributes:
        registry: Host, with port and path if it has them, like `localhost:5000`.
        tag: The tag that is moved to what was built last. Pods don't use it.
    """

    registry: str
    tag: str


class Images(pulumi.ComponentResource):
    """The images of all workloads.

    Attributes:
        counter: Reference of the counter's image by its digest, so that pods roll when and only when it changed.
        etcd: Likewise for etcd's image.
    """

    counter: pulumi.Output[str]
    etcd: pulumi.Output[str]

    def __init__(self, name: str, args: ImagesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ha-counter:index:Images", name, None, opts)
        self.counter = self._build(args, target="counter")
        self.etcd = self._build(args, target="etcd")
        self.register_outputs({"counter": self.counter, "etcd": self.etcd})

    def _build(self, args: ImagesArgs, target: str) -> pulumi.Output[str]:
        # No platform: pulumi-docker then builds for the architecture of the machine that it runs on.
        image = docker.Image(
            target,
            image_name=f"{args.registry}/ha-counter/{target}:{args.tag}",
            build=docker.DockerBuildArgs(context=_REPOSITORY, dockerfile=_DOCKERFILE, target=target),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return image.repo_digest
