"""What a cluster has from its first minute: DNS and a default StorageClass."""

import string
import time
from pathlib import Path

import yaml

from local import daemons
from local.errors import LocalError
from local.images import dns_image
from local.kube import Kube, is_ready
from local.layout import Layout

MANIFESTS = Path(__file__).parent / "manifests"
FIELD_MANAGER = "ha-counter-local"
READY_TIMEOUT = 120.0


def apply(layout: Layout, kube: Kube) -> None:
    values = {"image": dns_image(), "address": str(layout.dns_address)}
    for file in sorted(MANIFESTS.glob("*.yaml")):
        for item in yaml.safe_load_all(string.Template(file.read_text()).substitute(values)):
            kube.apply(item, FIELD_MANAGER)


def wait_until_ready(layout: Layout, kube: Kube) -> None:
    """Wait for all nodes and for DNS. Raises LocalError that says what is missing."""
    deadline = time.monotonic() + READY_TIMEOUT
    while lacking := _lacking(layout, kube):
        if time.monotonic() > deadline:
            raise LocalError(f"not ready after {READY_TIMEOUT:.0f} s: {', '.join(lacking)}; logs: {layout.logs}")
        time.sleep(0.2)


def _lacking(layout: Layout, kube: Kube) -> list[str]:
    ready = {node["metadata"]["name"] for node in kube.list("v1", "Node") if is_ready(node)}
    lacking = [node.name for node in layout.nodes if node.name not in ready]
    lacking += [f"{name}, which ended" for name in daemons.ended(layout)]
    dns = kube.list("apps/v1", "Deployment", "kube-system", "")
    if not any(item.get("status", {}).get("availableReplicas", 0) == item["spec"]["replicas"] for item in dns):
        lacking.append("DNS")
    return lacking
