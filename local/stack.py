"""`make up`, `preview`, `down`, `destroy` and `output`: from a bare machine to a counter that answers, and back."""

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import requests
from rich.console import Console

from local import cluster, control_plane, last_snapshot, members, pulumi_cli, remains, stack_config
from local.commands import run
from local.confirmation import make_sure
from local.errors import LocalError, exit_code
from local.kube import Kube, delete_and_wait
from local.layout import Layout, find, remove_leftovers
from local.pulumi_cli import PulumiCli
from local.stack_config import PROJECT_FOLDER, StackConfig
from local.steps import Steps
from local.target import Target, add_arguments, target_of

ANSWER_TIMEOUT = 30.0
KEPT = "nothing was deleted"
MEMBERS = "all members vote"


@dataclass(frozen=True)
class LocalEngine:
    """`local/deploy.py` at work on one stack."""

    stack: str
    overrides: Mapping[str, str]
    environment: Mapping[str, str]

    def up(self) -> None:
        self._visibly("up")

    def preview(self) -> None:
        """Print what `up` would do. Raises LocalError if it would not go through."""
        done = subprocess.run(self._command("up", "--dry-run"), env=self._environment())
        if done.returncode != 0:
            raise LocalError("`make up` would fail; see above. Nothing was changed")

    def down(self) -> None:
        self._visibly("down")

    def output(self, key: str | None) -> str:
        """One output, or all of them as a table. Raises LocalError if the stack is not deployed."""
        return run(self._command("output", *([key] if key else [])), env=self._environment()).strip()

    def forget(self) -> None:
        """Forget what was deployed to a cluster that is gone."""
        stack_config.load(self.stack, self.overrides).record.unlink(missing_ok=True)

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "local.deploy", *arguments, *stack_config.as_options(self.stack, self.overrides)]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    def _visibly(self, command: str) -> None:
        done = subprocess.run(self._command(command), env=self._environment(), stdout=subprocess.DEVNULL)
        if done.returncode != 0:
            raise LocalError("the deployment failed; see above. What runs already goes on running")


Engine = LocalEngine | PulumiCli


def up(arguments: argparse.Namespace, console: Console) -> None:
    """Bring up the local cluster unless a context is given, deploy, and say where the counter answers."""
    _preflight(arguments.stack, _overrides_to_come(arguments), {}, "--config-only")
    layout = None if arguments.context else cluster.up(arguments.cluster, console)
    target = _checked(target_of(arguments, layout), arguments.stack)
    engine = _engine(arguments, target, console)
    engine.up()
    _wait_for_members(arguments.stack, target, console)
    _say_where(target, engine, console)


def _wait_for_members(stack: str, target: Target, console: Console) -> None:
    """Wait until there are as many members as are configured: the controller adds and removes them one by one."""
    config = stack_config.load(stack, target.overrides)
    steps = Steps([MEMBERS], console)
    with steps.shown(), steps.step(MEMBERS) as report:
        kube = Kube(target.context, target.kubeconfig)
        members.wait_until_whole(kube, config["namespace"], int(config["etcdMembers"]), report)


def preview(arguments: argparse.Namespace, console: Console) -> None:
    """Print what `up` would do to a cluster that runs, and do nothing."""
    target = target_of(arguments, find(arguments.cluster))
    if target.layout is not None and not control_plane.api_server_answers(target.layout):
        raise LocalError(f"local cluster {target.layout.name!r} does not answer; `make up` starts what has stopped")
    _engine(arguments, _checked(target, arguments.stack), console).preview()


def _overrides_to_come(arguments: argparse.Namespace) -> Mapping[str, str]:
    """What will be set for the cluster, which may not be there yet."""
    if arguments.context:
        return {"context": arguments.context}
    return target_of(arguments, find(arguments.cluster) or Layout(arguments.cluster, 0)).overrides


def _checked(target: Target, stack: str) -> Target:
    """The target as it is to be deployed to. Raises LocalError if it can't take the deployment."""
    _preflight(stack, target.overrides, target.environment)
    return _for_its_nodes(target, stack_config.load(stack, target.overrides))


def _for_its_nodes(target: Target, config: StackConfig) -> Target:
    """The target, with images built for its nodes' architecture unless the stack names another."""
    if config["imageDelivery"] == "existing" or config["platform"]:
        return target
    [node, *_] = Kube(target.context, target.kubeconfig).list("v1", "Node")
    platform = f"linux/{node['status']['nodeInfo']['architecture']}"
    return replace(target, overrides={**target.overrides, "platform": platform})


def _preflight(stack: str, overrides: Mapping[str, str], environment: Mapping[str, str], *options: str) -> None:
    """Look at the configuration and the cluster as the engine will. Raises LocalError if they won't do."""
    command = [sys.executable, "-m", "local.preflight", *stack_config.as_options(stack, overrides), *options]
    done = subprocess.run(command, env={**os.environ, **environment, "PYTHONPATH": str(PROJECT_FOLDER / "infra")})
    if done.returncode != 0:
        raise LocalError("nothing was changed")


def down(arguments: argparse.Namespace, console: Console) -> None:
    """Delete the deployment and stop the local cluster. The namespace and the volumes stay, and so does the count.

    A last snapshot is taken first, where that can be done.
    """
    target = _target_if_there(arguments, console)
    if target is None:
        return
    if target.layout is None or control_plane.api_server_answers(target.layout):
        _take_last_snapshot(arguments, target, console)
        _engine(arguments, target, console).down()
    if target.layout is not None:
        cluster.down(target.layout, console)


def _take_last_snapshot(arguments: argparse.Namespace, target: Target, console: Console) -> None:
    config = stack_config.load(arguments.stack, target.overrides)
    if config["snapshotVolume"] != "none":
        last_snapshot.take(Kube(target.context, target.kubeconfig), config["namespace"], console)


def destroy(arguments: argparse.Namespace, console: Console) -> None:
    """Delete all there is of the deployment: the namespaces with their volumes, and a local cluster altogether.

    A namespace that others made or wrote to stays, without the volumes.
    """
    target = _target_if_there(arguments, console)
    if target is None:
        _finish_destroying(arguments)
        return
    if target.layout is None:
        _destroy_in_context(arguments, target, console)
        return
    make_sure(
        f"This deletes the local cluster {target.context} with its volumes, and so the count and the snapshots there.",
        arguments.yes,
        otherwise=KEPT,
    )
    engine = _engine(arguments, target, console)
    cluster.destroy(target.layout, console)
    engine.forget()


def _destroy_in_context(arguments: argparse.Namespace, target: Target, console: Console) -> None:
    kube = Kube(target.context, target.kubeconfig)
    namespace = stack_config.load(arguments.stack, target.overrides)["namespace"]
    owners = {each: remains.other_writers(kube, each) for each in remains.namespaces(kube, namespace)}
    make_sure(_consequence(kube, target.context, owners), arguments.yes, otherwise=KEPT)
    engine = _engine(arguments, target, console)
    engine.down()
    engine.forget()
    for each, others in owners.items():
        for item in remains.left_inside(kube, each) if others else [remains.namespace_object(each)]:
            delete_and_wait(kube, item)
        if others:
            console.print(
                f"The namespace {each} in context {target.context} stays, without the volumes: "
                f"{', '.join(others)} made it or wrote to it, too. To delete it:\n"
                f"  {shlex.join(['kubectl', '--context', target.context, 'delete', 'namespace', each])}",
                highlight=False,
                soft_wrap=True,
            )


def _consequence(kube: Kube, context: str, owners: Mapping[str, list[str]]) -> str:
    """What it means to delete the deployment, by the others that each of its namespaces belongs to, too."""
    parts = [
        f"the deployment with its volumes from the namespace {namespace}"
        if others
        else f"the namespace {namespace} with its volumes"
        for namespace, others in owners.items()
    ]
    lost = "the count and its snapshots" if len(owners) > 1 else "the count"
    besides = [
        item for namespace, others in owners.items() if not others for item in remains.other_objects(kube, namespace)
    ]
    more = f" With it goes what else is there: {', '.join(besides)}." if besides else ""
    return f"This deletes {' and '.join(parts)} in context {context}, and so {lost}.{more}"


def _finish_destroying(arguments: argparse.Namespace) -> None:
    """Remove what an earlier `destroy` left that was cut off when the cluster was gone already."""
    remove_leftovers()
    gone = Target(arguments.cluster, None, {"context": arguments.cluster}, {}, None)
    _engine(arguments, gone, Console(quiet=True)).forget()


def output(arguments: argparse.Namespace) -> None:
    engine = _engine(arguments, target_of(arguments, find(arguments.cluster)), Console(quiet=True))
    print(engine.output(arguments.key))


def _target_if_there(arguments: argparse.Namespace, console: Console) -> Target | None:
    """The target of a command that has nothing to do where there is no local cluster, which is said."""
    layout = find(arguments.cluster)
    if layout is None and not arguments.context:
        console.print(f"no local cluster {arguments.cluster}")
        return None
    return target_of(arguments, layout)


def _engine(arguments: argparse.Namespace, target: Target, console: Console) -> Engine:
    """The engine that was asked for, or else the real one where it is installed."""
    program = pulumi_cli.path()
    if arguments.engine == "pulumi" and program is None:
        raise LocalError("ENGINE=pulumi, but there is no `pulumi` on PATH; `make pulumi-cli` installs it")
    if arguments.engine == "local" or program is None:
        why = "as ENGINE=local says" if arguments.engine == "local" else "there is no `pulumi` on PATH"
        console.print(f"engine: local/deploy.py ({why})", highlight=False)
        return LocalEngine(arguments.stack, target.overrides, target.environment)
    console.print(f"engine: {program}", highlight=False)
    return PulumiCli(program, arguments.stack, target.context, target.overrides, target.environment)


def _say_where(target: Target, engine: Engine, console: Console) -> None:
    port = engine.output("nodeport")
    address = _find_answering(target, engine, port)
    if address:
        console.print(f"The counter answers at http://{address}:{port}. Try:", highlight=False)
        console.print(f"  curl http://{address}:{port}/increment", highlight=False, soft_wrap=True)
        return
    namespace = engine.output("namespace")
    forward = [
        "kubectl",
        "--context",
        target.context,
        "--namespace",
        namespace,
        "port-forward",
        "svc/svc-counter",
        "8080",
    ]
    console.print(
        f"The counter runs, but no node answers to this machine on port {port}. Reach it through the API server:\n"
        f"  {shlex.join(forward)}\n  curl http://127.0.0.1:8080/increment",
        highlight=False,
        soft_wrap=True,
    )


def _find_answering(target: Target, engine: Engine, port: str) -> str | None:
    """An address at which one of this deployment's own pods answered just now."""
    kube = Kube(target.context, target.kubeconfig)
    namespace = engine.output("namespace")
    nodes = [
        address["address"]
        for node in kube.list("v1", "Node")
        for address in node["status"]["addresses"]
        if address["type"] in ("InternalIP", "ExternalIP")
    ]
    session = requests.Session()
    session.trust_env = False  # a proxy for the outside can't reach the nodes
    deadline = time.monotonic() + ANSWER_TIMEOUT
    while time.monotonic() < deadline:
        pods = {pod["metadata"]["name"] for pod in kube.list("v1", "Pod", namespace)}
        for address in ("127.0.0.1", *nodes):
            try:
                answer = session.get(f"http://{address}:{port}/static", timeout=2).json()
            except (requests.RequestException, ValueError):
                continue
            if answer.get("pod") in pods:
                return str(address)
        time.sleep(0.5)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.stack", description=__doc__)
    parser.add_argument("command", choices=["up", "preview", "down", "destroy", "output"])
    parser.add_argument("key", nargs="?", help="with `output`: print only this one")
    add_arguments(parser)
    parser.add_argument(
        "--engine", choices=["", "pulumi", "local"], default="", help="default: pulumi where it is on PATH, else local"
    )
    parser.add_argument("--yes", action="store_true", help="with `destroy`: don't ask")
    arguments = parser.parse_args()
    return exit_code(lambda: _run(arguments, Console()))


def _run(arguments: argparse.Namespace, console: Console) -> int:
    stack_config.load(arguments.stack, {})  # a wrong stack is told before anything is started
    if arguments.command == "output":
        output(arguments)
        return 0
    if arguments.command == "preview":
        preview(arguments, console)
        return 0
    change = {"up": up, "down": down, "destroy": destroy}[arguments.command]
    with contextlib.nullcontext() if arguments.context else cluster.reserved(arguments.cluster, console):
        change(arguments, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
