"""The programs to compare with, of the Go module in `programs/`: built, put into images, run beside the counter."""

import string
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console

from bench.targets import GO_SERVER_PORT, LOCK_COUNTER_PORT
from local import go_module, images, registry, rollout
from local.go_module import GoModule
from local.images import BaseImage
from local.kube import Kube, Object
from local.layout import Layout, cache_root
from local.stack_config import StackConfig
from local.steps import Steps

HERE = Path(__file__).parent
FIELD_MANAGER = "ha-counter-bench"

BUILD = "programs to compare with"
IMAGES = "their images"
ROLLOUT = "their replicas"


@dataclass(frozen=True)
class Program:
    """A program, by its folder in `programs/`, and where it answers on every node."""

    folder: str
    node_port: int

    @property
    def name(self) -> str:
        """What its objects and its image are called."""
        return f"bench-{self.folder}"


PROGRAMS = (Program("lock-counter", LOCK_COUNTER_PORT), Program("static", GO_SERVER_PORT))


def deploy(layout: Layout, config: StackConfig, console: Console) -> None:
    """Run all of them on the cluster, as many replicas of each as of the counter, of the same size.

    Raises LocalError that names what failed.
    """
    steps = Steps([BUILD, IMAGES, ROLLOUT], console)
    with steps.shown():
        module = GoModule("bench", HERE / "programs", tuple(f"./{program.folder}" for program in PROGRAMS))
        with steps.step(BUILD) as report:
            built = go_module.build(module, cache_root() / "logs" / "bench-build.log", report)
        with steps.step(IMAGES) as report:
            wanted = [_image(program, built) for program in PROGRAMS]
            images.provide(layout, registry.engine(layout), wanted, report)
        with steps.step(ROLLOUT) as report:
            kube = Kube(layout.name, layout.kubeconfig)
            live = [kube.apply(item, FIELD_MANAGER) for item in _objects(config, built)]
            for item in live:
                rollout.wait(kube, item, report)


def _image(program: Program, built: Path) -> BaseImage:
    instructions = (f"COPY {program.folder} /program", "USER 65532:65532", 'ENTRYPOINT ["/program"]')
    return BaseImage(_image_name(program, built), instructions, {program.folder: built / program.folder})


def _image_name(program: Program, built: Path) -> str:
    return f"ha-counter/{program.name}:{built.name}"


def _objects(config: StackConfig, built: Path) -> list[Object]:
    shared = {
        "namespace": config["namespace"],
        "replicas": config["counterReplicas"],
        "cpu_request": config["counterCpuRequest"],
        "cpu_limit": config["counterCpuLimit"],
        "memory_request": config["counterMemoryRequest"],
        "memory_limit": config["counterMemoryLimit"],
    }
    objects = _manifest("lock-counter-to-etcd.yaml", shared)
    for program in PROGRAMS:
        own = {
            "name": program.name,
            "image": _image_name(program, built),
            "node_port": str(program.node_port),
        }
        objects += _manifest("program.yaml", {**shared, **own})
    return objects


def _manifest(file: str, values: dict[str, str]) -> list[Object]:
    text = (HERE / "manifests" / file).read_text()
    return list(yaml.safe_load_all(string.Template(text).substitute(values)))
