"""Measure how fast the counter is, beside others, on a local cluster that is made for it and destroyed afterwards.

The counter's /increment runs against the usual recipe (a lock and a lease for each request, same etcd) and against raw
transactions, its /static against a minimal server in Go, its /healthz against its own /static, and the app against
itself on gunicorn: each with three replicas behind a node port, under load from wrk. Then the counter is scaled. The
machine does all of it, load included, so it should do nothing else meanwhile, and only the ratios say much. After each
run of /increment the count is checked against the values that clients were told.
"""

import argparse
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from rich.console import Console

from bench import answers, cluster, deployment, machine, picture, report, rounds, scaling, transactions
from bench.arguments import positive
from bench.counter import DeployedCounter
from bench.load import Load, require_wrk
from bench.progress import numbered
from bench.rounds import Measurement, Plan
from bench.scaling import SizedMeasurement
from bench.targets import EXACT, INCREMENT, targets
from local.errors import LocalError, exit_code
from local.kube import Kube
from local.layout import Layout
from local.stack_config import StackConfig

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    arguments = parse(sys.argv[1:])
    plan = Plan(arguments.rounds, arguments.seconds, arguments.concurrencies)
    return exit_code(lambda: _run(plan, RESULTS / arguments.name, Console()))


def parse(words: list[str]) -> argparse.Namespace:
    """What the command line says. Ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=positive, default=3, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--seconds", type=positive, default=8, help="how long each time (default: %(default)s)")
    parser.add_argument(
        "--concurrencies",
        type=_list_of_positives,
        default=(1, 3, 50, 200),
        metavar="C,C,...",
        help="with how many connections (default: 1,3,50,200)",
    )
    parser.add_argument(
        "--name",
        default=f"{datetime.now():%Y-%m-%d-%H%M}",
        help="of the files in bench/results; `report` is the one that is committed (default: date and time)",
    )
    return parser.parse_args(words)


def _list_of_positives(words: str) -> tuple[int, ...]:
    return tuple(sorted({positive(word) for word in words.split(",")}))


def _run(plan: Plan, result: Path, console: Console) -> int:
    require_wrk()
    this = machine.here_and_now()
    if not this.is_quiet:
        console.print(
            f"The machine is busy (load {this.load_average} on {this.processors} processors): "
            "the numbers will tell of that, too.",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )
    with cluster.running(console) as (layout, config):
        measurements, sized = _measure(plan, layout, config, console)
        _tell(report.make(this, plan, measurements, sized), result, console)
    runs = (*measurements, *(run.measurement for run in sized))
    wrong = [report.line(run) for run in runs if run.target in EXACT and not run.is_exact]
    if wrong:
        raise LocalError(f"the counter miscounted: {'; '.join(wrong)}")
    return 0


def _measure(
    plan: Plan, layout: Layout, config: StackConfig, console: Console
) -> tuple[list[Measurement], list[SizedMeasurement]]:
    """Everything: all targets on the deployment as it is, then the counter with fewer and more replicas."""
    address, port = str(layout.nodes[0].address), int(config["nodePort"])
    counter = DeployedCounter(Kube(layout.name, layout.kubeconfig), config["namespace"], f"http://{address}:{port}")
    deployment.deploy(layout, config, counter, console)
    wanted = targets(port)
    for target in wanted:
        answers.wait(target, address)
    runs = plan.runs(len(wanted)) + scaling.runs(plan)
    console.print(f"{runs} runs of {plan.seconds} s", highlight=False)
    tell = numbered(runs, console)
    transact = _transact(layout, counter, plan)
    measurements = rounds.measure(plan, wanted, address, transact, lambda run: tell(report.line(run)))
    [increment] = [target for target in wanted if target.name == INCREMENT]
    sized = scaling.measure(plan, increment, address, counter.scale, lambda run: tell(report.sized_line(run)))
    return measurements, sized


def _transact(layout: Layout, counter: DeployedCounter, plan: Plan) -> Callable[[int], Load]:
    """Runs raw transactions, in each round from another pod, which may use another member of etcd."""

    def transact(number: int) -> Load:
        pods = counter.pods()
        return transactions.transact(layout, counter.namespace, pods[number % len(pods)], plan.seconds)

    return transact


def _tell(done: report.Report, result: Path, console: Console) -> None:
    files = {ending: result.with_name(f"{result.name}.{ending}") for ending in ("json", "png")}
    report.show(done, console)
    report.write(done, files["json"])
    picture.draw(done, files["png"])
    console.print(f"All of it: {files['json']}, {files['png']}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
