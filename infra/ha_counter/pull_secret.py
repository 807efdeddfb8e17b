"""What nodes need to pull from a registry with a login."""

import base64
import json

import pulumi
import pulumi_kubernetes as k8s

from ha_counter.delivery import RegistryLogin
from ha_counter.labels import labels


def make_pull_secrets(
    name: str, login: RegistryLogin | None, namespace: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> list[pulumi.Output[str]]:
    """Declare what the pods of a namespace must name to have their images pulled: a Secret, if there is a login.

    Its name in the cluster is Pulumi's choice, so that another password makes another Secret, and pods roll to it.

    Args:
        name: What Pulumi calls it.
        login: The account, if the registry wants one.
        namespace: Where the pods are.
        opts: How the cluster is reached.

    Returns:
        The Secrets' names in the cluster.
    """
    return [] if login is None else [_make_secret(name, login, namespace, opts).metadata.name]


def _make_secret(
    name: str, login: RegistryLogin, namespace: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> k8s.core.v1.Secret:
    return k8s.core.v1.Secret(
        name,
        metadata=k8s.meta.v1.ObjectMetaArgs(namespace=namespace, labels=labels("registry-login", "images")),
        type="kubernetes.io/dockerconfigjson",
        data={".dockerconfigjson": pulumi.Output.secret(_docker_config(login))},
        opts=opts,
    )


def _docker_config(login: RegistryLogin) -> str:
    """Docker's config.json with one account, in base64 as Secrets want it."""
    account = {
        "username": login.user,
        "password": login.password,
        "auth": _base64(f"{login.user}:{login.password}"),
    }
    return _base64(json.dumps({"auths": {login.server: account}}))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
