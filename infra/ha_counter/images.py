"""The container images: where they come from, and how pods name them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from ha_counter.delivery import Delivery, Existing, Load, Push, RegistryLogin, Target
from ha_counter.node_images import copy_into_nodes

# Pulumi runs the program in infra/. Relative paths keep the state the same wherever the repository is checked out.
_REPOSITORY = ".."
_DOCKERFILE = "../Dockerfile"

_ID_DIGITS = 16


@dataclass(frozen=True)
class ImagesArgs:
    """What `Images` needs.

    Attributes:
        delivery: How the nodes get the images.
        login: The account to push with, if the registry wants one.
        tag: Moved to what was built last. Pods don't use it.
        targets: Which images are wanted.
    """

    delivery: Delivery
    login: RegistryLogin | None
    tag: str
    targets: Sequence[Target]


class Images(pulumi.ComponentResource):
    """The images of all workloads.

    Attributes:
        references: How pods name each image. If it was built here, its reference changes when and only when the image
            does, and so pods roll.
    """

    references: Mapping[Target, pulumi.Output[str]]

    def __init__(self, name: str, args: ImagesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ha-counter:index:Images", name, None, opts)
        self.references = {target: self._reference(target, args) for target in args.targets}
        self.register_outputs({target.value: reference for target, reference in self.references.items()})

    def _reference(self, target: Target, args: ImagesArgs) -> pulumi.Output[str]:
        match args.delivery:
            case Push() as push:
                return self._pushed(push, args, target.value)
            case Load() as load:
                return self._loaded(load, args, target.value)
            case Existing(references):
                return pulumi.Output.from_input(references[target])

    def _pushed(self, push: Push, args: ImagesArgs, target: str) -> pulumi.Output[str]:
        image = docker.Image(
            target,
            image_name=f"{push.registry}/ha-counter-{target}:{args.tag}",
            build=_build(target, push.platform),
            registry=None if args.login is None else _account(args.login),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return image.repo_digest

    def _loaded(self, load: Load, args: ImagesArgs, target: str) -> pulumi.Output[str]:
        name = f"ha-counter-{target}"
        image = docker.Image(
            target,
            image_name=f"{name}:{args.tag}",
            build=_build(target, load.platform),
            skip_push=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        # An image has no digest before a registry gives it one: what came in its place is Docker's ID of the image.
        # Nodes know no IDs, so it becomes a tag. They don't pull a tag like this when they have it.
        tag = docker.Tag(
            target,
            source_image=image.repo_digest,
            target_image=image.repo_digest.apply(lambda image_id: f"{name}:{_short(image_id)}"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return copy_into_nodes(f"{target}-in-nodes", tag.target_image, load.context, parent=self)


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:_ID_DIGITS]


def _build(target: str, platform: str | None) -> docker.DockerBuildArgs:
    # Without a platform pulumi-docker builds for the architecture of the machine that it runs on.
    return docker.DockerBuildArgs(context=_REPOSITORY, dockerfile=_DOCKERFILE, target=target, platform=platform)


def _account(login: RegistryLogin) -> docker.RegistryArgs:
    return docker.RegistryArgs(server=login.server, username=login.user, password=pulumi.Output.secret(login.password))
