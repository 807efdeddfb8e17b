"""Debian's packages that the cluster needs: what is missing is installed."""

import os
import shutil
from pathlib import Path

from local.commands import run
from local.errors import LocalError

# A file or command that shows that the package is there -> the package.
NEEDED = {
    "containerd": "containerd",
    "runc": "runc",
    "dockerd": "docker.io",
    "docker-registry": "docker-registry",
    "debootstrap": "debootstrap",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "fusermount3": "fuse3",  # for its library, through which nodes mount NFS volumes
    "hey": "hey",  # the load of the README's walk-through
    "wrk": "wrk",  # that of `make bench`
}

# The services that come with them. The cluster runs these programs itself, and docker-registry would let everybody in.
SERVICES = {
    "containerd": ("containerd.service",),
    "docker.io": ("docker.service", "docker.socket"),
    "docker-registry": ("docker-registry.service",),
}


def missing() -> list[str]:
    """Names of the packages to install."""
    return [package for thing, package in NEEDED.items() if not _present(thing)]


def _present(thing: str) -> bool:
    return Path(thing).exists() if thing.startswith("/") else shutil.which(thing) is not None


def install(packages: list[str], log: Path) -> None:
    """Install the packages with apt, but not their services. Raises LocalError where that can't be done."""
    if not packages:
        return
    if shutil.which("apt-get") is None:
        raise LocalError(f"missing: {', '.join(packages)}; install them with your package manager (no apt-get here)")
    # Offline, systemctl starts nothing (https://systemd.io/ENVIRONMENT/).
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_OFFLINE": "1"}
    # A source that does not answer is no reason to stop while the packages can be had from the others.
    run(["sh", "-c", "apt-get update || true"], log=log.with_suffix(".update.log"), env=quiet)
    run(["apt-get", "install", "--yes", "--no-install-recommends", *packages], log=log, env=quiet)
    services = [service for package in packages for service in SERVICES.get(package, ())]
    if services and shutil.which("systemctl"):
        run(["systemctl", "disable", *services], log=log.with_suffix(".services.log"), env=quiet)
