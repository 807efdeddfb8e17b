"""The programs to compare with: put into images, run beside the counter."""

import hashlib
import json
import string
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console

from bench.cluster import FIELD_MANAGER
from bench.counter import DeployedCounter
from bench.targets import GO_SERVER_PORT, GUNICORN_PORT, LOCK_COUNTER_PORT
from local import go_module, images, registry, rollout
from local.go_module import GoModule
from local.images import BaseImage
from local.kube import Object
from local.layout import Layout, cache_root
from local.stack_config import StackConfig
from local.steps import Steps

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"

# By folder, and where each answers on every node.
GO_PROGRAMS = {"lock-counter": LOCK_COUNTER_PORT, "static": GO_SERVER_PORT}

# gunicorn is what Falcon's tutorial serves its app with, and the field's usual choice. It is in Python, as the
# counter's own server is, and runs as that does: one process. Its threads are enough for all requests that wait for
# etcd when 200 clients share three replicas. Its heartbeat's file can't be in the root file system: that is read-only.
GUNICORN = (
    *("python", "-m", "gunicorn", "--worker-class=gthread", "--workers=1", "--threads=100", "--bind=0.0.0.0:8080"),
    *("--worker-tmp-dir=/dev/shm", "--no-control-socket", "wsgi:create()"),
)

BUILD = "programs to compare with"
IMAGES = "their images"
ROLLOUT = "their replicas"


@dataclass(frozen=True)
class Program:
    """A program, in its image, and where it answers on every node."""

    name: str
    node_port: int
    image: BaseImage


def deploy(layout: Layout, config: StackConfig, counter: DeployedCounter, console: Console) -> None:
    """Run all of them on the cluster, as many replicas of each as of the counter, of the same size.

    Raises LocalError that names what failed.
    """
    steps = Steps([BUILD, IMAGES, ROLLOUT], console)
    with steps.shown():
        module = GoModule("bench", PROGRAMS, tuple(f"./{folder}" for folder in GO_PROGRAMS))
        with steps.step(BUILD) as report:
            built = go_module.build(module, cache_root() / "logs" / "bench-build.log", report)
        programs = [*(_go_program(folder, built) for folder in GO_PROGRAMS), gunicorn(counter.image())]
        with steps.step(IMAGES) as report:
            images.provide(layout, registry.engine(layout), [program.image for program in programs], report)
        with steps.step(ROLLOUT) as report:
            live = [counter.kube.apply(item, FIELD_MANAGER) for item in objects(config, programs)]
            for item in live:
                rollout.wait(counter.kube, item, report)


def _go_program(folder: str, built: Path) -> Program:
    name = f"bench-{folder}"
    instructions = (f"COPY {folder} /program", "USER 65532:65532", 'ENTRYPOINT ["/program"]')
    image = BaseImage(f"ha-counter/{name}:{built.name}", instructions, {folder: built / folder})
    return Program(name, GO_PROGRAMS[folder], image)


def gunicorn(counter_image: str) -> Program:
    """The counter's app on gunicorn: an image on top of the counter's own. Its tag tells what it was made from."""
    name = "bench-gunicorn"
    files = {file: PROGRAMS / "gunicorn" / file for file in ("requirements.txt", "wsgi.py")}
    instructions = (
        "USER root",
        f"COPY --chown=65532:65532 {' '.join(files)} ./",
        "RUN pip install --no-cache-dir -r requirements.txt",
        "USER 65532:65532",
        f"ENTRYPOINT {json.dumps(GUNICORN)}",
    )
    texts = [counter_image, *instructions, *(file.read_text() for file in files.values())]
    tag = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
    image = BaseImage(f"ha-counter/{name}:{tag}", instructions, files, base=counter_image)
    return Program(name, GUNICORN_PORT, image)


def objects(config: StackConfig, programs: list[Program]) -> list[Object]:
    """All that is to be applied for them."""
    shared = {
        "namespace": config["namespace"],
        "replicas": config["counterReplicas"],
        "cpu_request": config["counterCpuRequest"],
        "cpu_limit": config["counterCpuLimit"],
        "memory_request": config["counterMemoryRequest"],
        "memory_limit": config["counterMemoryLimit"],
    }
    wanted = _manifest("programs-to-etcd.yaml", shared)
    for program in programs:
        own = {"name": program.name, "image": program.image.name, "node_port": str(program.node_port)}
        wanted += _manifest("program.yaml", {**shared, **own})
    return wanted


def _manifest(file: str, values: dict[str, str]) -> list[Object]:
    text = (HERE / "manifests" / file).read_text()
    return list(yaml.safe_load_all(string.Template(text).substitute(values)))
