"""Deploy the Pulumi program without the Pulumi CLI, for machines that can't have it.

The only state is what the last run put out and what the program stashed; what it made is found by its label.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from local import locks, program, record, stack_config
from local.engine import Engine
from local.errors import LocalError, exit_code
from local.kube import Kube, delete_and_wait, describe
from local.outcomes import Outcome, Outcomes
from local.ownership import identity, owned
from local.record import Record
from local.stack_config import StackConfig


def up(config: StackConfig, console: Console) -> Mapping[str, object]:
    """Make the cluster as the program says, remove what it no longer names, and return its outputs.

    Raises LocalError that names the resource; what was made until then stays, and the next run goes on from there.
    """
    done = _go_through(config, console, dry_run=False)
    record.save(config.record, done)
    return done.outputs


def preview(config: StackConfig, console: Console) -> None:
    """Tell what `up` would do to each resource, and do nothing. Raises LocalError as `up` would."""
    _go_through(config, console, dry_run=True)


def down(config: StackConfig, console: Console) -> None:
    """Delete all that the stack has in the cluster but what is to be retained, last made first."""
    kube = Kube(config["context"], Path(config["kubeconfig"]) if config["kubeconfig"] else None)
    outcomes = Outcomes(console, dry_run=False)
    for _, item in owned([kube], config.stack):
        with outcomes.of(describe(item)) as work:
            delete_and_wait(kube, item)
            work.outcome = Outcome.DELETED
    config.record.unlink(missing_ok=True)


def output(config: StackConfig) -> Mapping[str, object]:
    """The outputs of the last `up`. Raises LocalError if there was none."""
    last = record.load(config.record)
    if last is None:
        raise LocalError(f"stack {config.stack!r} is not deployed to {config['context']!r}; `make up` does it")
    return last.outputs


def _go_through(config: StackConfig, console: Console, *, dry_run: bool) -> Record:
    """All that the program names, and then what it no longer names."""
    last = record.load(config.record)
    outcomes = Outcomes(console, dry_run=dry_run)
    engine = Engine(config.stack, outcomes, last.stash if last else {}, dry_run=dry_run)
    outputs = program.run(config, engine)
    named = engine.identities()
    for kube, item in owned(engine.clusters(), config.stack):
        if identity(item) not in named:
            with outcomes.of(describe(item)) as work:
                if not dry_run:
                    delete_and_wait(kube, item)
                work.outcome = Outcome.DELETED
    console.print(outcomes.summary())
    return Record(outputs, engine.stash)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.deploy", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["up", "down", "output"])
    parser.add_argument("key", nargs="?", help="with `output`: print only this one")
    parser.add_argument("--dry-run", action="store_true", help="with `up`: say what it would do, and do nothing")
    stack_config.add_arguments(parser)
    arguments = parser.parse_args()
    if arguments.dry_run and arguments.command != "up":
        parser.error("--dry-run goes with `up`")
    return exit_code(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    config = stack_config.from_arguments(arguments)
    progress = Console(stderr=True)
    if arguments.dry_run:
        preview(config, Console())
        return 0
    if arguments.command == "output":
        print_outputs(output(config), arguments.key)
        return 0
    # One run at a time changes a stack.
    with locks.held(config.record.with_suffix(".lock"), progress):
        if arguments.command == "up":
            print_outputs(up(config, progress), arguments.key)
        else:
            down(config, progress)
    return 0


def print_outputs(outputs: Mapping[str, object], key: str | None) -> None:
    """One value, or all of them, as `pulumi stack output` prints them. Raises LocalError for one that there is not."""
    if key is None:
        for name, value in outputs.items():
            print(f"{name:16} {value if isinstance(value, str) else json.dumps(value)}")
        return
    if key not in outputs:
        raise LocalError(f"output {key!r}: no such output; there are {sorted(outputs)}")
    value = outputs[key]
    print(value if isinstance(value, str) else json.dumps(value))


if __name__ == "__main__":
    sys.exit(main())
