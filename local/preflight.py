"""What a deployment needs of its cluster and of this machine, looked at before anything is changed.

Runs with infra/ on the path: the configuration is read as the program itself reads it.
"""

import argparse
import contextlib
import os
import shutil
import sys
import warnings
from collections.abc import Iterable, Iterator
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path

import docker
import pulumi
import requests
from kubernetes.utils.quantity import parse_quantity

from ha_counter.delivery import Existing, Load, Push, RegistryLogin
from ha_counter.node_images import load_command
from ha_counter.settings import ImageSettings, NfsServerSettings, ResourceSettings, Settings, load_settings
from ha_counter.snapshot_volume import ExistingClaim
from ha_counter.spread import Spread
from local import remains, stack_config
from local.errors import LocalError, exit_code
from local.kube import Kube, Object, is_ready
from local.stack_config import StackConfig

REGISTRY_TIMEOUT = 5.0
READINESS_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def check(settings: Settings, kube: Kube) -> list[str]:
    """Warnings about what will work, but not as well as it could.

    Raises LocalError with everything that is missing, and what to do about each.
    """
    nodes = [node for node in kube.list("v1", "Node") if _takes_pods(node)]
    delivery = settings.images.delivery
    scheme = _scheme(_host(delivery.registry)) if isinstance(delivery, Push) else None
    faults = [
        *_nodes(settings, nodes),
        *_room(settings, kube, nodes),
        *_storage(settings, kube),
        *_volumes(settings, kube),
        *_claim(settings, kube),
        *_node_port(settings, kube),
        *_images(settings.images, scheme),
    ]
    if faults:
        raise LocalError("\n  ".join([f"context {settings.cluster.context!r} can't take the deployment yet:", *faults]))
    return list(_warnings(settings, nodes, scheme))


def _takes_pods(node: Object) -> bool:
    """Whether a node takes the pods of a deployment, which tolerate no taints.

    Whether it is ready, it says itself: the taints that say so come and go a few seconds later.
    """
    taints = [
        taint
        for taint in node["spec"].get("taints", [])
        if taint["effect"] in ("NoSchedule", "NoExecute") and taint["key"] not in READINESS_TAINTS
    ]
    return is_ready(node) and not node["spec"].get("unschedulable") and not taints


def _nodes(settings: Settings, nodes: list[Object]) -> Iterator[str]:
    if not nodes:
        yield "nodes: there is none that takes pods; add one, `kubectl uncordon` one, or take a taint away"
    architectures = sorted({node["status"]["nodeInfo"]["architecture"] for node in nodes})
    if len(architectures) > 1:
        yield f"nodes: of several architectures ({', '.join(architectures)}); images are built for one"
    pods = max(settings.counter.replicas, settings.etcd.members)
    if settings.cluster.spread is Spread.REQUIRED and len(nodes) < pods:
        yield f"nodes: {len(nodes)}, but `spread` is required and {pods} pods of a kind are wanted; set it to preferred"


def _room(settings: Settings, kube: Kube, nodes: list[Object]) -> Iterator[str]:
    """Compare sums, and single pods: how they all fit together is for the scheduler to say."""
    if not nodes:
        return  # which is said already
    free = _free(settings.cluster.namespace, kube, nodes)
    workloads = _workloads(settings)
    wanted = {name: (pods, _requests(resources)) for name, (pods, resources) in workloads.items()}
    for resource in ("cpu", "memory"):
        needed = sum((pods * each[resource] for pods, each in wanted.values()), Decimal())
        left = sum((room[resource] for room in free.values()), Decimal())
        if needed > left:
            yield (
                f"room: the pods request {needed:f} of {resource}, the nodes have {left:f} left; add nodes, "
                f"or lower {' and '.join(f'{name}{resource.title()}Request' for name in workloads)}"
            )
    for name, (_, each) in wanted.items():
        if not any(all(each[resource] <= room[resource] for resource in each) for room in free.values()):
            resources = workloads[name][1]
            yield (
                f"room: a pod of {name} requests {resources.cpu_request} of cpu and {resources.memory_request} of "
                f"memory, and no node has both left; add a larger node, or lower {name}CpuRequest or "
                f"{name}MemoryRequest"
            )


def _workloads(settings: Settings) -> dict[str, tuple[int, ResourceSettings]]:
    """How many pods there are of each kind, and how large, by what the configuration calls them."""
    counter, etcd, backup, server = settings.counter, settings.etcd, settings.backup, _nfs_server(settings)
    return {
        "counter": (counter.replicas, counter.resources),
        "etcd": (etcd.members, etcd.resources),
        "controller": (1, settings.controller.resources),
        **({"backup": (1, backup.resources)} if backup else {}),
        **({"nfs": (1, server.resources)} if server else {}),
    }


def _nfs_server(settings: Settings) -> NfsServerSettings | None:
    volume = settings.backup.volume if settings.backup else None
    return volume if isinstance(volume, NfsServerSettings) else None


def _requests(resources: ResourceSettings) -> dict[str, Decimal]:
    return {"cpu": parse_quantity(resources.cpu_request), "memory": parse_quantity(resources.memory_request)}


def _free(namespace: str, kube: Kube, nodes: list[Object]) -> dict[str, dict[str, Decimal]]:
    """What pods of other namespaces leave of each node. The deployment's own make room for those that follow them."""
    own = (namespace, remains.nfs_namespace(namespace))
    free = {
        node["metadata"]["name"]: {
            resource: parse_quantity(node["status"]["allocatable"][resource]) for resource in ("cpu", "memory")
        }
        for node in nodes
    }
    for pod in kube.list("v1", "Pod"):
        room = free.get(pod["spec"].get("nodeName", ""))
        if room and pod["metadata"]["namespace"] not in own and _is_active(pod):
            for resource in room:
                room[resource] -= _requested(pod, resource)
    return free


def _is_active(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def _requested(pod: Object, resource: str) -> Decimal:
    requests_of = [container.get("resources", {}).get("requests", {}) for container in pod["spec"]["containers"]]
    return sum((parse_quantity(request.get(resource, 0)) for request in requests_of), Decimal())


def _storage(settings: Settings, kube: Kube) -> Iterator[str]:
    classes = {found["metadata"]["name"]: found for found in kube.list("storage.k8s.io/v1", "StorageClass")}
    server = _nfs_server(settings)
    wanted = {
        "etcdStorageClass": settings.etcd.storage_class,
        **({"snapshotStorageClass": server.storage_class} if server else {}),
    }
    for key, name in wanted.items():
        if name and name not in classes:
            yield f"storage: there is no StorageClass {name!r}; set {key} to one of {sorted(classes)}"
        if not name and not _default_classes(classes.values()):
            yield f"storage: no StorageClass is the default; set {key} to one of {sorted(classes)}"


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
    if left and not kube.get(remains.stateful_set(namespace)):
        advice = (
            f"because etcd's volumes are still there, in namespace {namespace}; set it back, "
            "or delete them, and so the count, with `make destroy`"
        )
        if etcd.members != remains.members(left):
            yield f"volumes: etcdMembers is {etcd.members}: it must be {remains.members(left)}, {advice}"
        yield from _unlike("etcd", etcd.storage, etcd.storage_class, left, kube, advice)
    server, namespace = _nfs_server(settings), remains.nfs_namespace(namespace)
    left = remains.snapshots_volumes(kube, namespace)
    if server and left and not kube.get(remains.stateful_set(namespace, "nfs")):
        advice = (
            f"because the snapshots' volume is still there, in namespace {namespace}; set it back, "
            "or delete it with the count, with `make destroy`"
        )
        yield from _unlike("snapshot", server.storage, server.storage_class, left, kube, advice)


def _unlike(
    prefix: str, storage: str, storage_class: str | None, left: list[Object], kube: Kube, advice: str
) -> Iterator[str]:
    """In what the claims that are left differ from those that would be made."""
    for size in sorted({claim["spec"]["resources"]["requests"]["storage"] for claim in left}):
        if parse_quantity(size) != parse_quantity(storage):
            yield f"volumes: {prefix}Storage is {storage!r}: it must be {size!r}, {advice}"
    classes = _default_classes(kube.list("storage.k8s.io/v1", "StorageClass"))
    allowed = {storage_class} if storage_class else classes
    for name in sorted({claim["spec"].get("storageClassName", "") for claim in left} - allowed):
        yield f"volumes: {prefix}StorageClass is {storage_class or ''!r}: it must be {name!r}, {advice}"


def _claim(settings: Settings, kube: Kube) -> Iterator[str]:
    """Without it the program would wait for a pod that waits for it."""
    volume = settings.backup.volume if settings.backup else None
    if not isinstance(volume, ExistingClaim):
        return
    metadata = {"namespace": settings.cluster.namespace, "name": volume.name}
    if kube.get({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}) is None:
        yield (
            f"snapshots: there is no PersistentVolumeClaim {volume.name} in namespace {settings.cluster.namespace}; "
            "make it, or set another snapshotClaim"
        )


def _node_port(settings: Settings, kube: Kube) -> Iterator[str]:
    port, ours = settings.counter.node_port, (settings.cluster.namespace, "svc-counter")
    for service in kube.list("v1", "Service"):
        owner = service["metadata"]["namespace"], service["metadata"]["name"]
        if owner != ours and any(entry.get("nodePort") == port for entry in service["spec"].get("ports", [])):
            yield f"node port: {port} is taken by Service {'/'.join(owner)}; set another nodePort"


def _images(settings: ImageSettings, scheme: str | None) -> Iterator[str]:
    """`scheme` is how the registry speaks, if there is one that answers."""
    delivery = settings.delivery
    if isinstance(delivery, Existing):
        return
    engine = _docker_engine()
    if engine is None:
        where = os.environ.get("DOCKER_HOST", "the default socket")
        yield f"images: no Docker engine answers at {where}; start it, or name another with DOCKER_HOST"
    if isinstance(delivery, Load):
        yield from _loader(delivery)
    elif scheme is None:
        host = _host(delivery.registry)
        yield f"images: the registry {host} does not answer from here; start it, or set another `registry`"
    elif engine and settings.login:
        yield from _login(engine, settings.login)


def _docker_engine() -> docker.DockerClient | None:
    try:
        engine = docker.from_env(timeout=10)
        engine.ping()
    except docker.errors.DockerException:
        return None
    return engine


def _loader(delivery: Load) -> Iterator[str]:
    [program, *_] = load_command("", delivery.context)
    if shutil.which(program) is None:
        yield f"images: imageDelivery is 'load', which needs `{program}`, and that is not on PATH; install it"


def _login(engine: docker.DockerClient, login: RegistryLogin) -> Iterator[str]:
    """Have the engine try it: it is the engine that will push."""
    try:
        engine.login(login.user, login.password, registry=login.server, reauth=True)
    except docker.errors.DockerException as error:
        reason = getattr(error, "explanation", None) or error
        yield (
            f"images: the registry {login.server} refuses registryUser {login.user!r} with this registryPassword "
            f"({reason}); set others"
        )


def _host(registry: str) -> str:
    return registry.partition("/")[0]


def _is_here(host: str) -> bool:
    return host.partition(":")[0] in ("localhost", "127.0.0.1")


def _scheme(host: str) -> str | None:
    """How a registry speaks, `https` or `http`, or None if it does not answer."""
    here = _is_here(host)
    with requests.Session() as session, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of certificates: whether to trust them is for the Docker engine to say
        session.trust_env = not here  # a proxy for the outside does not lead back to this machine
        for scheme in ["http"] if here else ["https", "http"]:
            with contextlib.suppress(requests.RequestException):
                status = session.get(f"{scheme}://{host}/v2/", timeout=REGISTRY_TIMEOUT, verify=False).status_code
                # Else it is a proxy that says without encryption that there is nobody.
                if here or scheme == "https" or status in (HTTPStatus.OK, HTTPStatus.UNAUTHORIZED):
                    return scheme
    return None


def _warnings(settings: Settings, nodes: list[Object], scheme: str | None) -> Iterator[str]:
    if len(nodes) < 3:
        yield f"{len(nodes)} node(s): the loss of one can cost etcd its quorum; three survive it"
    if isinstance(settings.images.delivery, Push):
        host = _host(settings.images.delivery.registry)
        if not _is_here(host) and scheme == "http":
            yield (
                f"the registry {host} speaks plain HTTP only: the Docker engine must have it in `insecure-registries` "
                "(/etc/docker/daemon.json), and the nodes must take images from it all the same"
            )


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
