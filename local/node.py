"""A node: a network namespace and a mount namespace with containerd, kubelet and kube-proxy of its own.

Flags and settings that differ from a plain installation are there because the nodes share one kernel, one file
system and one set of control groups; the comments say which.
"""

import json
from ipaddress import IPv4Address
from pathlib import Path

import yaml

from local import cgroups, daemons, files, host
from local.daemons import Daemon
from local.health import answers_ok, runtime_answers
from local.layout import Layout, Node
from local.network import enter
from local.nfs import placement

PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
CNI_PROGRAMS = "/usr/lib/cni"

# Folders that kubelet, containerd and CNI have no option for, each a folder of the node's own: kubelets that share
# /var/log/pods delete one another's logs.
PRIVATE_FOLDERS = {
    Path("/var/log"): "log",
    Path("/var/lib/cni"): "cni-cache",
    Path("/var/lib/kubelet"): "kubelet",
    Path("/run/containerd"): "containers",
    Path("/run/netns"): "netns",
}

# What kubelet wants of the kernel, below /proc/sys. Where it does not find it, it changes it for the whole machine:
# nodes are shown these values in the place of this machine's own.
KERNEL_SETTINGS = {
    "kernel/keys/root_maxbytes": 25_000_000,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
}


def start(layout: Layout, node: Node, binaries: Path) -> None:
    """Start the node, or what is missing of it. Raises LocalError that names the log."""
    cgroups.create(kubelet_group(layout, node))
    machine = _machine(layout, node)
    if not daemons.runs_as(layout, machine):
        _mounted(node).unlink(missing_ok=True)  # an earlier machine's
    daemons.ensure(layout, machine)
    process = daemons.main_process(layout, node.name)
    inside = ("nsenter", f"--target={process}", "--mount", "--net", "--")
    daemons.ensure(layout, _containerd(layout, node, inside))
    daemons.ensure(layout, _kubelet(layout, node, inside, binaries))
    daemons.ensure(layout, kube_proxy(layout, node.name, node.address, inside, node.folder, binaries))


def kubelet_group(layout: Layout, node: Node) -> str:
    """The control group of the node's pods."""
    return f"{layout.cgroup}/pods/{node.name}"


def _machine(layout: Layout, node: Node) -> Daemon:
    """A process that holds the node's mount namespace, as its first process does on a real machine.

    What is mounted inside is never seen outside.
    """
    folders = {
        shared: (node.run if shared.is_relative_to("/run") else node.folder) / own
        for shared, own in PRIVATE_FOLDERS.items()
    }
    settings = {name: node.folder / "kernel" / name for name in KERNEL_SETTINGS}
    for name, file in settings.items():
        _write(file, f"{KERNEL_SETTINGS[name]}\n")
    script = "; ".join(
        [
            f"set -e; mkdir -p {node.run}; mount --make-rshared /",
            *host.in_private(folders),
            *(f"mount --bind {file} /proc/sys/{name}" for name, file in settings.items()),
            *placement.provide(layout, node),
            f"touch {_mounted(node)}; exec sleep infinity",
        ]
    )
    return Daemon(
        node.name,
        (*enter(node), "unshare", "--mount", "sh", "-c", script),
        ready=_mounted(node).exists,
        configuration=placement.script(layout, node),
    )


def _mounted(node: Node) -> Path:
    """The file that says that the machine has its folders."""
    return node.run / "mounted"


def _containerd(layout: Layout, node: Node, inside: tuple[str, ...]) -> Daemon:
    folder = node.folder / "containerd"
    mirrors = folder / "certs.d"
    # One mirror for every name: manifests name the images that they would name anywhere.
    _write(
        mirrors / "_default" / "hosts.toml",
        f'[host."http://{layout.gateway}:{layout.registry_port}"]\n  capabilities = ["pull", "resolve"]\n',
    )
    network = folder / "cni"
    _write(network / "10-pods.conflist", json.dumps(_pod_network(node), indent=2))
    text = f"""\
version = 2
root = "{folder}/root"
state = "{node.run}/containerd"

[grpc]
  address = "{_socket(node)}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Lowering a score below one's own is not permitted everywhere that this runs.
  restrict_oom_score_adj = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PROGRAMS}"
    conf_dir = "{network}"

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{mirrors}"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""
    config = folder / "config.toml"
    _write(config, text)
    command = (*inside, "containerd", f"--config={config}", "--log-level=warn")
    return Daemon(f"containerd-{node.name}", command, ready=lambda: runtime_answers(_socket(node)), configuration=text)


def _pod_network(node: Node) -> dict[str, object]:
    """Pods hang on point-to-point links: all their traffic is routed, so that Services work between neighbours and
    for a pod that calls itself, without a bridge's hairpin mode."""
    ranges = [[{"subnet": str(node.pod_network)}]]
    addresses = {
        "type": "host-local",
        "ranges": ranges,
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(node.folder / "pod-addresses"),
    }
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp", "mtu": 1500, "ipam": addresses}]}


def _kubelet(layout: Layout, node: Node, inside: tuple[str, ...], binaries: Path) -> Daemon:
    pki = layout.pki
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(node.address),
        "healthzBindAddress": str(node.address),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / f"{node.name}.crt"),
        "tlsPrivateKeyFile": str(pki / f"{node.name}.key"),
        "containerRuntimeEndpoint": f"unix://{_socket(node)}",
        "clusterDomain": "cluster.local",
        "clusterDNS": [str(layout.dns_address)],
        "resolvConf": "",
        "volumePluginDir": str(node.folder / "volume-plugins"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{kubelet_group(layout, node)}",
        "enforceNodeAllocatable": [],
        # Setting a negative out-of-memory score is not permitted everywhere that this runs.
        "featureGates": {"KubeletInUserNamespace": True},
        "failSwapOn": False,
        # The disk is this machine's: kubelets must not fight over it for a share that looks scarce to each.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "shutdownGracePeriod": "0s",
        "fileCheckFrequency": "0s",
    }
    text = yaml.safe_dump(config)
    file = node.folder / "kubelet.yaml"
    _write(file, text)
    command = (
        *inside,
        str(binaries / "kubelet"),
        f"--config={file}",
        f"--kubeconfig={pki / f'{node.name}.kubeconfig'}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
    )
    healthy = f"http://{node.address}:10248/healthz"
    return Daemon(f"kubelet-{node.name}", command, ready=lambda: answers_ok(healthy), configuration=text, restarts=True)


def kube_proxy(
    layout: Layout,
    name: str,
    address: IPv4Address,
    inside: tuple[str, ...],
    folder: Path,
    binaries: Path,
    **extra: object,
) -> Daemon:
    """The proxy that makes Services work for one network namespace."""
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.pki / "kube-proxy.kubeconfig")},
        "mode": "iptables",
        "clusterCIDR": str(layout.network),
        "hostnameOverride": name,
        "metricsBindAddress": "127.0.0.1:10249",
        "healthzBindAddress": f"{address}:10256",
        # Zero leaves the kernel's own values alone: they belong to the whole machine.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        **extra,
    }
    text = yaml.safe_dump(config)
    file = folder / "kube-proxy.yaml"
    _write(file, text)
    command = (*inside, str(binaries / "kube-proxy"), f"--config={file}")
    healthy = f"http://{address}:10256/livez"
    return Daemon(f"kube-proxy-{name}", command, ready=lambda: answers_ok(healthy), configuration=text, restarts=True)


def _socket(node: Node) -> Path:
    return node.run / "containerd.sock"


def _write(file: Path, text: str) -> None:
    """Write the file if it says something else: kube-proxy ends as soon as its own is written to."""
    if not file.exists() or file.read_text() != text:
        files.write(file, text)
