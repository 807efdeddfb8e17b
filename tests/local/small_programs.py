"""Small programs for the engine, and how a test runs them: with a cluster and a builder in memory."""

from collections.abc import Callable, Mapping
from contextvars import Context
from typing import TypeVar

import pytest
from pulumi.runtime.settings import SETTINGS

from local.builder import Build, Built
from local.errors import LocalError
from local.stack_config import StackConfig

DIGEST = f"sha256:{'0' * 64}"

CLUSTER = """
import pulumi
import pulumi_docker as docker
import pulumi_kubernetes as k8s

cluster = pulumi.ResourceOptions(provider=k8s.Provider("cluster", context="test", kubeconfig="/kubeconfig"))
namespace = k8s.core.v1.Namespace("namespace", metadata={"name": "app"}, opts=cluster)
inside = {"namespace": namespace.metadata.name}
"""

NAMED = """
named = k8s.core.v1.ConfigMap("named", metadata={"name": "settings", **inside}, data={"key": "value"}, opts=cluster)
"""

UNNAMED = """
unnamed = k8s.core.v1.ConfigMap("unnamed", metadata=inside, data={"key": "value"}, opts=cluster)
"""

SERVICE = """
service = k8s.core.v1.Service(
    "web",
    metadata={"name": "web", **inside},
    spec=k8s.core.v1.ServiceSpecArgs(
        type="NodePort", ports=[k8s.core.v1.ServicePortArgs(port=8080, target_port="http", node_port=30180)]
    ),
    opts=cluster,
)
pulumi.export("nodeport", service.spec.ports[0].node_port)
pulumi.export("address", service.spec.cluster_ip.apply(lambda address: f"http://{address}"))
"""

NAMED_AFTER_SERVICE = NAMED.replace(
    "opts=cluster", "opts=pulumi.ResourceOptions.merge(cluster, pulumi.ResourceOptions(depends_on=[service]))"
)

IMAGE = """
image = docker.Image(
    "image",
    image_name="registry.example.com/web:test",
    build=docker.DockerBuildArgs(context="..", dockerfile="../Dockerfile", target="web"),
)
"""

DEPLOYMENT = """
class Web(pulumi.ComponentResource):
    def __init__(self, name, image, opts):
        super().__init__("test:index:Web", name, None, opts)
        self.deployment = k8s.apps.v1.Deployment(
            "web",
            metadata={"name": "web", **inside},
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=2,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels={"app": "web"}),
                template=k8s.core.v1.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(labels={"app": "web"}),
                    spec=k8s.core.v1.PodSpecArgs(containers=[k8s.core.v1.ContainerArgs(name="web", image=image)]),
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


web = Web("web", image.repo_digest, cluster)
"""

EVERYTHING = (CLUSTER, NAMED, UNNAMED, SERVICE, IMAGE, DEPLOYMENT)

Write = Callable[..., StackConfig]
Up = Callable[[StackConfig], Mapping[str, object]]
Preview = Callable[[StackConfig], list[str]]
T = TypeVar("T")


class FakeBuilder:
    """Builds nothing; what it was asked for is there at once."""

    def __init__(self) -> None:
        self.builds: list[Build] = []
        self.tags: list[tuple[str, str]] = []

    def ensure(self, build: Build, _report: Callable[[str], None]) -> Built:
        changed = build not in self.builds
        self.builds.append(build)
        return Built(self._reference(build), changed)

    def find(self, build: Build) -> str | None:
        return self._reference(build) if build in self.builds else None

    def tag(self, image: str, name: str) -> None:
        self.tags.append((image, name))

    def _reference(self, build: Build) -> str:
        return f"{build.name.rpartition(':')[0]}@{DIGEST}"


def afresh(call: Callable[[], T]) -> T:
    """Call with nothing of an earlier run: Pulumi keeps what it must remember in context variables."""

    def without_outputs() -> T:
        SETTINGS.outputs = set()  # all contexts share the default, and a failed run leaves some behind
        return call()

    return Context().run(without_outputs)


def error_of(up: Up, config: StackConfig) -> str:
    with pytest.raises(LocalError) as error:
        up(config)
    return str(error.value)


def config_map(name: str, **labels: str) -> dict[str, object]:
    metadata = {"namespace": "app", "name": name, "labels": labels, "resourceVersion": "of old"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "their value"}}
