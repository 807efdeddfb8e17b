"""Put one fault after another into the counter while clients increment, and check that not one increment is lost,
repeated or counted unasked.

It runs on a local cluster of three nodes that is made for it and destroyed afterwards. Members of etcd and replicas
are killed, stopped and rolled, a node is cut off. Then the history of what clients were told is checked against the
count, and what etcd holds is looked at. The longest time without an increment is reported for each fault, beside its
goal. Ends with an error if anything is not as it must be.
"""

import argparse
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from rich.console import Console

from bench import cluster, machine
from bench.arguments import natural, positive
from bench.progress import numbered
from chaos import checks, picture, report
from chaos.effects import effect
from chaos.experiment import Episode, Plan, conduct
from chaos.faults import FAULTS, named
from chaos.history import Answer
from chaos.system import System
from local.errors import LocalError, exit_code

CLUSTER = "ha-counter-chaos"
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    arguments = parse(sys.argv[1:])
    return exit_code(lambda: _run(arguments, Console()))


def parse(words: list[str]) -> argparse.Namespace:
    """What the command line says. Ends the program where that makes no sense."""
    names = [fault.name for fault in FAULTS]
    parser = argparse.ArgumentParser(
        prog="python -m chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--increments", type=positive, default=100_000, help="how many at least (default: %(default)s)")
    parser.add_argument("--clients", type=positive, default=50, help="how many ask at once (default: %(default)s)")
    parser.add_argument(
        "--keyed",
        type=natural,
        default=10,
        help="how many of them use Idempotency-Keys; replicas share transactions only for the others' sake (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--faults",
        type=lambda words: words.split(","),
        default=names,
        metavar="NAME,NAME,...",
        help=f"which, in this order (default: {','.join(names)})",
    )
    parser.add_argument(
        "--name",
        default=f"{datetime.now():%Y-%m-%d-%H%M}",
        help="of the files in chaos/results; `report` is the one that is committed (default: date and time)",
    )
    return parser.parse_args(words)


def _run(arguments: argparse.Namespace, console: Console) -> int:
    plan = Plan(arguments.increments, arguments.clients, arguments.keyed, named(arguments.faults))
    this = machine.here_and_now()
    with cluster.running(console, CLUSTER) as (layout, config):
        system = System(layout, int(config["nodePort"]), config["namespace"])
        console.print(f"{len(plan.faults)} faults while {plan.clients} clients increment", highlight=False)
        experiment = conduct(system, plan, _progress(len(plan.faults), console))
        done = report.make(this, experiment, checks.exactness(system, experiment))
        _tell(done, RESULTS / arguments.name, console)
    if done.problems:
        raise LocalError("; ".join(done.problems))
    return 0


def _progress(faults: int, console: Console) -> Callable[[Episode, list[Answer]], None]:
    """Prints what clients saw of each fault as it is over."""
    tell = numbered(faults, console)
    return lambda episode, answers: tell(report.line(effect(episode, answers, start=episode.began)))


def _tell(done: report.Report, result: Path, console: Console) -> None:
    files = {ending: result.with_name(f"{result.name}.{ending}") for ending in ("json", "png")}
    report.show(done, console)
    report.write(done, files["json"])
    picture.draw(done, files["png"])
    console.print(f"All of it: {files['json']}, {files['png']}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
