"""What a deployment needs of its cluster and of this machine, looked at before anything is changed.

Runs with infra/ on the path: the configuration is read as the program itself reads it.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import docker
import pulumi
import requests
from kubernetes.utils.quantity import parse_quantity

from ha_counter.delivery import Existing, Push
from ha_counter.settings import EtcdSettings, ImageSettings, Settings, load_settings
from ha_counter.spread import Spread
from local import remains, stack_config
from local.errors import LocalError, exit_code
from local.kube import Kube, Object
from local.stack_config import StackConfig

REGISTRY_TIMEOUT = 5.0
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def check(settings: Settings, kube: Kube) -> list[str]:
    """Warnings about what will work, but not as well as it could.

    Raises LocalError with everything that is missing, and what to do about each.
    """
    nodes = [node for node in kube.list("v1", "Node") if not node["spec"].get("unschedulable")]
    faults = [
        *_nodes(settings, nodes),
        *_room(settings, kube, nodes),
        *_storage(settings.etcd, kube),
        *_volumes(settings, kube),
        *_node_port(settings, kube),
        *_images(settings.images),
    ]
    if faults:
        raise LocalError("\n  ".join([f"context {settings.cluster.context!r} can't take the deployment yet:", *faults]))
    if len(nodes) < 3:
        return [f"{len(nodes)} node(s): the loss of one can cost etcd its quorum; three survive it"]
    return []


def _nodes(settings: Settings, nodes: list[Object]) -> Iterator[str]:
    if not nodes:
        yield "nodes: there is none that takes pods; add one, or `kubectl uncordon` one"
    architectures = sorted({node["status"]["nodeInfo"]["architecture"] for node in nodes})
    if len(architectures) > 1:
        yield f"nodes: of several architectures ({', '.join(architectures)}); images are built for one"
    pods = max(settings.counter.replicas, settings.etcd.members)
    if settings.cluster.spread is Spread.REQUIRED and len(nodes) < pods:
        yield f"nodes: {len(nodes)}, but `spread` is required and {pods} pods of a kind are wanted; set it to preferred"


def _room(settings: Settings, kube: Kube, nodes: list[Object]) -> Iterator[str]:
    """Compare sums: whether each single pod fits somewhere is for the scheduler to say."""
    names = {node["metadata"]["name"] for node in nodes}
    others = [
        pod
        for pod in kube.list("v1", "Pod")
        if pod["spec"].get("nodeName") in names
        and pod["metadata"]["namespace"] != settings.cluster.namespace
        and _is_active(pod)
    ]
    counter, etcd = settings.counter, settings.etcd
    wanted = {
        "cpu": [(counter.replicas, counter.resources.cpu_request), (etcd.members, etcd.resources.cpu_request)],
        "memory": [(counter.replicas, counter.resources.memory_request), (etcd.members, etcd.resources.memory_request)],
    }
    for resource, parts in wanted.items():
        needed = sum((pods * parse_quantity(each) for pods, each in parts), Decimal())
        free = sum((parse_quantity(node["status"]["allocatable"][resource]) for node in nodes), Decimal())
        free -= sum((_requested(pod, resource) for pod in others), Decimal())
        if needed > free:
            yield (
                f"room: the pods request {needed:f} of {resource}, the nodes have {free:f} left; add nodes, "
                f"or lower counter{resource.title()}Request and etcd{resource.title()}Request"
            )


def _is_active(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def _requested(pod: Object, resource: str) -> Decimal:
    requests_of = [container.get("resources", {}).get("requests", {}) for container in pod["spec"]["containers"]]
    return sum((parse_quantity(request.get(resource, 0)) for request in requests_of), Decimal())


def _storage(settings: EtcdSettings, kube: Kube) -> Iterator[str]:
    classes = {found["metadata"]["name"]: found for found in kube.list("storage.k8s.io/v1", "StorageClass")}
    wanted = settings.storage_class
    if wanted and wanted not in classes:
        yield f"storage: there is no StorageClass {wanted!r}; set etcdStorageClass to one of {sorted(classes)}"
    if not wanted and not _default_classes(classes.values()):
        yield f"storage: no StorageClass is the default; set etcdStorageClass to one of {sorted(classes)}"


def _default_classes(classes: Iterable[Object]) -> set[str]:
    return {
        item["metadata"]["name"]
        for item in classes
        if item["metadata"].get("annotations", {}).get(DEFAULT_CLASS) == "true"
    }


def _volumes(settings: Settings, kube: Kube) -> Iterator[str]:
    """Compare the settings with the volumes that a stack before left behind.

    The program refuses such changes, too, whoever runs it (infra/ha_counter/fixed_settings.py), but only to a stack
    that lives: what it remembers goes with the stack, and the volumes stay. While the stack lives, on the other hand,
    the volumes may be fewer, or larger, than when it was made, so they are not asked then.
    """
    etcd, namespace = settings.etcd, settings.cluster.namespace
    left = remains.volumes(kube, namespace)
    if not left or kube.get(remains.stateful_set(namespace)):
        return
    advice = (
        f"because etcd's volumes are still there, in namespace {namespace}; set it back, "
        "or delete them, and so the count, with `make destroy`"
    )
    if etcd.members != remains.members(left):
        yield f"volumes: etcdMembers is {etcd.members}: it must be {remains.members(left)}, {advice}"
    for size in sorted({claim["spec"]["resources"]["requests"]["storage"] for claim in left}):
        if parse_quantity(size) != parse_quantity(etcd.storage):
            yield f"volumes: etcdStorage is {etcd.storage!r}: it must be {size!r}, {advice}"
    classes = _default_classes(kube.list("storage.k8s.io/v1", "StorageClass"))
    allowed = {etcd.storage_class} if etcd.storage_class else classes
    for name in sorted({claim["spec"].get("storageClassName", "") for claim in left} - allowed):
        yield f"volumes: etcdStorageClass is {etcd.storage_class or ''!r}: it must be {name!r}, {advice}"


def _node_port(settings: Settings, kube: Kube) -> Iterator[str]:
    port, ours = settings.counter.node_port, (settings.cluster.namespace, "svc-counter")
    for service in kube.list("v1", "Service"):
        owner = service["metadata"]["namespace"], service["metadata"]["name"]
        if owner != ours and any(entry.get("nodePort") == port for entry in service["spec"].get("ports", [])):
            yield f"node port: {port} is taken by Service {'/'.join(owner)}; set another nodePort"


def _images(settings: ImageSettings) -> Iterator[str]:
    if isinstance(settings.delivery, Existing):
        return
    try:
        docker.from_env(timeout=10).ping()
    except docker.errors.DockerException:
        where = os.environ.get("DOCKER_HOST", "the default socket")
        yield f"images: no Docker engine answers at {where}; start it, or name another with DOCKER_HOST"
    if isinstance(settings.delivery, Push):
        yield from _registry(settings.delivery.registry)


def _registry(registry: str) -> Iterator[str]:
    host = registry.partition("/")[0]
    here = host.partition(":")[0] in ("localhost", "127.0.0.1")
    try:
        with requests.Session() as session:
            session.trust_env = not here  # a proxy for the outside does not lead back to this machine
            # Any answer will do: it may want a login.
            session.get(f"{'http' if here else 'https'}://{host}/v2/", timeout=REGISTRY_TIMEOUT)
    except requests.RequestException:
        yield f"images: the registry {host} does not answer from here; start it, or set another `registry`"


def read_settings(config: StackConfig) -> Settings:
    """The program's settings. Raises LocalError that names all faults of the configuration."""
    pulumi.runtime.set_all_config(dict(config.values))
    try:
        return load_settings(pulumi.Config(stack_config.PROJECT))
    except pulumi.RunError as error:
        raise LocalError(str(error)) from error


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.preflight", description=__doc__.splitlines()[0])
    stack_config.add_arguments(parser)
    parser.add_argument("--config-only", action="store_true", help="look at the configuration, not at the cluster")
    arguments = parser.parse_args()
    return exit_code(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    settings = read_settings(stack_config.from_arguments(arguments))
    if not arguments.config_only:
        kubeconfig = Path(settings.cluster.kubeconfig) if settings.cluster.kubeconfig else None
        for warning in check(settings, Kube(settings.cluster.context, kubeconfig)):
            print(f"warning: {warning}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
