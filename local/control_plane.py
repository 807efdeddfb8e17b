"""The control plane: etcd, API server, controller manager, scheduler and the provisioner of volumes.

They run in a network namespace of their own, so that nothing of them listens on this machine's addresses.
"""

from pathlib import Path

from local.daemons import Daemon
from local.health import answers_ok
from local.layout import Layout
from local.network import enter

# Node-loss is noticed after this long (Kubernetes' default: 40 s), so that tests of it are quick.
NODE_GRACE_PERIOD = "16s"


def daemons(layout: Layout, binaries: Path) -> list[Daemon]:
    """What to start, in this order."""
    return [_etcd(layout, binaries), _api_server(layout, binaries), *_controllers(layout, binaries)]


def api_server_answers(layout: Layout) -> bool:
    """Whether the API server says that it is ready."""
    return answers_ok(f"{layout.api_server}/readyz", layout.pki / "ca.crt", layout.pki / "admin")


def _etcd(layout: Layout, binaries: Path) -> Daemon:
    address = layout.control_plane.address
    return Daemon(
        "etcd",
        (
            *enter(layout.control_plane),
            str(binaries / "etcd"),
            f"--data-dir={layout.control_plane.folder / 'etcd'}",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--initial-advertise-peer-urls=http://127.0.0.1:2380",
            "--initial-cluster=default=http://127.0.0.1:2380",
            f"--listen-metrics-urls=http://{address}:2381",
            # A crash of this machine may cost the local cluster its objects, but never blocks on a slow disk.
            "--unsafe-no-fsync",
        ),
        ready=lambda: answers_ok(f"http://{address}:2381/readyz"),
    )


def _api_server(layout: Layout, binaries: Path) -> Daemon:
    pki = layout.pki
    address = layout.control_plane.address
    return Daemon(
        "kube-apiserver",
        (
            *enter(layout.control_plane),
            str(binaries / "kube-apiserver"),
            f"--advertise-address={address}",
            f"--bind-address={address}",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--service-cluster-ip-range={layout.service_network}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--anonymous-auth=false",
            "--allow-privileged=true",
            f"--client-ca-file={pki / 'ca.crt'}",
            f"--tls-cert-file={pki / 'kube-apiserver.crt'}",
            f"--tls-private-key-file={pki / 'kube-apiserver.key'}",
            f"--kubelet-certificate-authority={pki / 'ca.crt'}",
            f"--kubelet-client-certificate={pki / 'kube-apiserver-kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'kube-apiserver-kubelet-client.key'}",
            # By default it would look up the nodes' names in DNS, which knows none of them.
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki / 'service-account.pub'}",
            f"--service-account-signing-key-file={pki / 'service-account.key'}",
        ),
        ready=lambda: api_server_answers(layout),
    )


def _controllers(layout: Layout, binaries: Path) -> list[Daemon]:
    """What ends when the API server fails it, and expects to be started again."""
    pki = layout.pki
    inside = enter(layout.control_plane)
    return [
        Daemon(
            "kube-controller-manager",
            (
                *inside,
                str(binaries / "kube-controller-manager"),
                f"--kubeconfig={pki / 'kube-controller-manager.kubeconfig'}",
                # Without it pods get no authority to verify the API server by.
                f"--root-ca-file={pki / 'ca.crt'}",
                f"--service-account-private-key-file={pki / 'service-account.key'}",
                "--use-service-account-credentials=true",
                f"--node-monitor-grace-period={NODE_GRACE_PERIOD}",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
            ),
            restarts=True,
        ),
        Daemon(
            "kube-scheduler",
            (
                *inside,
                str(binaries / "kube-scheduler"),
                f"--kubeconfig={pki / 'kube-scheduler.kubeconfig'}",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
            ),
            restarts=True,
        ),
        Daemon(
            "provisioner",
            (
                *inside,
                str(binaries / "provisioner"),
                f"--kubeconfig={pki / 'provisioner.kubeconfig'}",
                f"--root={layout.volumes}",
            ),
            restarts=True,
        ),
    ]
