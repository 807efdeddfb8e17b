import io
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from local import cluster, controller_service, last_snapshot, members, stack, stack_config
from local.errors import LocalError
from local.layout import find, find_or_claim
from local.ownership import FIELD_MANAGER
from local.pulumi_cli import PulumiCli
from local.remains import namespace_object
from local.stack import LocalEngine
from local.target import Target
from tests.local.conftest import is_reserved
from tests.local.fake_controller import FakeController, decided, set_ready, with_etcd
from tests.local.in_memory_kube import InMemoryKube, claim

TARGET = Target("test", None, {"context": "test"}, {"KUBECONFIG": "/kubeconfig"}, None)


def arguments(engine: str = "", context: str = "", cluster: str = "ha-counter") -> Namespace:
    return Namespace(engine=engine, context=context, cluster=cluster, stack="dev", key=None)


@pytest.fixture
def without_cli(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.fixture
def with_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the CLI is."""
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return str(program)


# Which engine.


@pytest.mark.usefixtures("with_cli")
@pytest.mark.parametrize(("asked_for", "engine"), [("", PulumiCli), ("pulumi", PulumiCli), ("local", LocalEngine)])
def test_with_the_cli_it_is_the_engine_unless_the_other_is_asked_for(
    console: Console, asked_for: str, engine: type
) -> None:
    assert isinstance(stack._engine(arguments(asked_for), TARGET, console), engine)


@pytest.mark.usefixtures("without_cli")
@pytest.mark.parametrize("asked_for", ["", "local"])
def test_without_the_cli_it_is_the_other(console: Console, asked_for: str) -> None:
    assert isinstance(stack._engine(arguments(asked_for), TARGET, console), LocalEngine)


@pytest.mark.usefixtures("without_cli")
def test_a_cli_that_is_asked_for_and_is_not_there_is_told(console: Console) -> None:
    with pytest.raises(LocalError, match="ENGINE=pulumi, but there is no `pulumi` on PATH; `make pulumi-cli`"):
        stack._engine(arguments("pulumi"), TARGET, console)


@pytest.mark.usefixtures("with_cli")
def test_the_choice_of_the_user_is_said(console: Console, printed: io.StringIO) -> None:
    stack._engine(arguments("local"), TARGET, console)

    assert printed.getvalue() == "engine: local/deploy.py (as ENGINE=local says)\n"


@pytest.mark.usefixtures("without_cli")
def test_the_reason_for_the_other_engine_is_said(console: Console, printed: io.StringIO) -> None:
    stack._engine(arguments(), TARGET, console)

    assert printed.getvalue() == "engine: local/deploy.py (there is no `pulumi` on PATH)\n"


def test_the_cli_that_is_used_is_said(with_cli: str, console: Console, printed: io.StringIO) -> None:
    stack._engine(arguments(), TARGET, console)

    assert printed.getvalue() == f"engine: {with_cli}\n"


@pytest.mark.parametrize("asked_for", ["pulumi", "local"])
def test_either_engine_deploys_to_the_target(with_cli: str, console: Console, asked_for: str) -> None:
    del with_cli

    engine = stack._engine(arguments(asked_for), TARGET, console)

    assert (engine.stack, engine.overrides, engine.environment) == ("dev", TARGET.overrides, TARGET.environment)


# The engine without the CLI.


def test_its_command_carries_the_overrides() -> None:
    engine = LocalEngine("dev", {"context": "test", "registry": "localhost:5001"}, {})

    assert engine._command("up") == [
        sys.executable,
        "-m",
        "local.deploy",
        "up",
        "--stack=dev",
        "--config=context=test",
        "--config=registry=localhost:5001",
    ]


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have a shell script run in place of the engine."""

    def replace(script: str) -> None:
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    return replace


def test_a_failed_deployment_is_told(python: Callable[[str], None]) -> None:
    python("exit 1")

    with pytest.raises(LocalError, match="the deployment failed"):
        LocalEngine("dev", {}, {}).up()


def test_a_preview_is_what_a_dry_run_prints(python: Callable[[str], None], capfd: pytest.CaptureFixture[str]) -> None:
    python('test "$3 $4" = "up --dry-run" && echo "would be made"')

    LocalEngine("dev", {}, {}).preview()

    assert capfd.readouterr().out == "would be made\n"


def test_a_preview_of_what_would_fail_is_told(python: Callable[[str], None]) -> None:
    python("exit 1")

    with pytest.raises(LocalError, match="`make up` would fail"):
        LocalEngine("dev", {}, {}).preview()


def test_an_output_is_what_the_engine_prints(python: Callable[[str], None]) -> None:
    python('echo "a warning" >&2; test "$3 $4" = "output nodeport" && echo 30180')

    assert LocalEngine("dev", {}, {}).output("nodeport") == "30180"


def test_it_runs_with_the_target_s_variables(python: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/of/the/user")
    python('echo "$KUBECONFIG"')

    assert LocalEngine("dev", {}, {"KUBECONFIG": "/kubeconfig"}).output(None) == "/kubeconfig"


# The command line.


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command with these arguments; its exit code."""
    monkeypatch.setattr(cluster, "require_linux_root", lambda: None)

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["stack", *words])
        return stack.main()

    return run


@pytest.mark.parametrize("what", ["up", "down", "destroy"])
def test_a_command_has_its_local_cluster_for_itself(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    reserved: list[bool] = []
    monkeypatch.setattr(stack, what, lambda *_: reserved.append(is_reserved("e2e")))

    assert command(what, "--cluster=e2e") == 0
    assert reserved == [True]
    assert not is_reserved("e2e")


@pytest.mark.parametrize("made", [True, False])
def test_what_the_cluster_will_bring_need_not_be_configured(made: bool) -> None:
    if made:
        find_or_claim("other")
        find_or_claim("e2e")

    overrides = stack._overrides_to_come(arguments(cluster="e2e"))

    assert overrides == {"context": "e2e", "registry": "localhost:5002" if made else "localhost:5001"}


def test_a_cluster_of_the_user_s_brings_nothing() -> None:
    assert stack._overrides_to_come(arguments(context="kind")) == {"context": "kind"}


def test_a_preview_makes_no_local_cluster(command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert command("preview", "--cluster=e2e") == 1

    assert capsys.readouterr().err == "error: there is no local cluster 'e2e'; `make up` makes it\n"
    assert find("e2e") is None


def test_a_preview_starts_no_local_cluster(command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    find_or_claim("e2e")

    assert command("preview", "--cluster=e2e") == 1

    assert capsys.readouterr().err == "error: local cluster 'e2e' does not answer; `make up` starts what has stopped\n"


@pytest.mark.usefixtures("without_cli")
def test_a_preview_is_of_what_up_would_deploy(
    command: Callable[..., int],
    python: Callable[[str], None],
    kubes: dict[tuple[str, Path | None], InMemoryKube],
    tmp_path: Path,
) -> None:
    node = {"metadata": {"name": "node1"}, "status": {"nodeInfo": {"architecture": "arm64"}}}
    kubes["kind", None] = InMemoryKube()
    kubes["kind", None].put({"apiVersion": "v1", "kind": "Node", **node})
    python(f'echo "$2 $@" >> {tmp_path}/calls')

    assert command("preview", "--context=kind") == 0

    preflight, dry_run = (tmp_path / "calls").read_text().splitlines()
    assert preflight.startswith("local.preflight ")
    assert dry_run.startswith("local.deploy ")
    assert dry_run.endswith("up --dry-run --stack=dev --config=context=kind --config=platform=linux/arm64")
    assert list(kubes) == [("kind", None)]


def test_a_stack_that_there_is_not_is_told_before_anything_is_started(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "up", lambda *_: pytest.fail("started"))

    assert command("up", "--stack=nowhere") == 1
    assert "Pulumi.nowhere.yaml" in capsys.readouterr().err


@pytest.mark.usefixtures("without_cli")
@pytest.mark.parametrize(("what", "words"), [("down", ["down"]), ("destroy", ["destroy", "--yes"])])
def test_a_local_cluster_that_does_not_answer_still_goes(
    command: Callable[..., int],
    python: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    words: list[str],
) -> None:
    python("exit 1")  # no engine is asked
    gone: list[str] = []
    monkeypatch.setattr(cluster, what, lambda layout, _console: gone.append(layout.name))
    find_or_claim("e2e")

    assert command(*words, "--cluster=e2e") == 0
    assert gone == ["e2e"]


@pytest.mark.usefixtures("without_cli")
@pytest.mark.parametrize("volume", ["server", "none"])
def test_down_takes_a_last_snapshot_of_what_is_backed_up(
    command: Callable[..., int],
    kubes: dict[tuple[str, Path | None], InMemoryKube],
    python: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    volume: str,
) -> None:
    python("exit 1")  # the engine fails, and what was done was done before it
    load = stack_config.load
    given = {"context": "kind", "snapshotVolume": volume}
    monkeypatch.setattr(stack_config, "load", lambda name, overrides: load(name, {**overrides, **given}))
    taken: list[tuple[InMemoryKube, str]] = []
    monkeypatch.setattr(last_snapshot, "take", lambda kube, namespace, _console: taken.append((kube, namespace)))

    assert command("down", "--context=kind") == 1
    assert taken == ([] if volume == "none" else [(kubes["kind", None], "ha-counter")])


@pytest.mark.usefixtures("without_cli")
def test_destroy_wants_a_yes(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "destroy", lambda *_: pytest.fail("destroyed without a yes"))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    find_or_claim("e2e")

    assert command("destroy", "--cluster=e2e") == 1
    assert "YES=1" in capsys.readouterr().err


@pytest.mark.usefixtures("without_cli")
@pytest.mark.parametrize(("answer", "exit_code"), [("y", 0), (" Yes", 0), ("", 1), ("n", 1), ("yesterday", 1)])
def test_destroy_asks_on_a_terminal(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, answer: str, exit_code: int
) -> None:
    gone: list[str] = []
    monkeypatch.setattr(cluster, "destroy", lambda layout, _console: gone.append(layout.name))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda _question: answer)
    find_or_claim("e2e")

    assert command("destroy", "--cluster=e2e") == exit_code
    assert gone == ([] if exit_code else ["e2e"])


@pytest.mark.usefixtures("without_cli")
@pytest.mark.parametrize("there", [True, False], ids=["there", "destroyed by a run that was cut off then"])
def test_after_destroy_the_outputs_are_forgotten(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    monkeypatch.setattr(cluster, "destroy", lambda *_: None)
    records = [stack_config.load("dev", {"context": context}).record for context in ("e2e", "other")]
    for record in records:
        record.parent.mkdir(parents=True, exist_ok=True)
        record.touch()
    if there:
        find_or_claim("e2e")

    command("destroy", "--cluster=e2e", "--yes")

    assert [record.exists() for record in records] == [False, True]


Kubes = dict[tuple[str, Path | None], InMemoryKube]

BY_KUBECTL = [{"manager": "kubectl-create", "operation": "Update"}, {"manager": "ha-counter", "operation": "Apply"}]


def with_deployment() -> InMemoryKube:
    """A cluster with a namespace of the stack's, and another."""
    kube = InMemoryKube()
    kube.apply(namespace_object("ha-counter"), FIELD_MANAGER)
    kube.put(namespace_object("default"))
    kube.put(claim("data-etcd-0"))
    return kube


@pytest.fixture
def kubes(monkeypatch: pytest.MonkeyPatch) -> Kubes:
    """The clusters that are reached, by context and kubeconfig."""
    reached: Kubes = {("kind", None): with_deployment()}

    def connect(context: str, kubeconfig: Path | None = None) -> InMemoryKube:
        return reached.setdefault((context, kubeconfig), with_deployment())

    monkeypatch.setattr(stack, "Kube", connect)
    return reached


@pytest.mark.usefixtures("without_cli")
def test_of_a_cluster_of_the_user_s_destroy_deletes_the_namespace(
    command: Callable[..., int],
    python: Callable[[str], None],
    kubes: Kubes,
    tmp_path: Path,
) -> None:
    python(f'echo "$3 $5" > {tmp_path}/call')
    find_or_claim("ha-counter")  # of no matter

    assert command("destroy", "--context=kind", "--yes") == 0

    assert (tmp_path / "call").read_text() == "down --config=context=kind\n"
    assert kubes["kind", None].names("Namespace") == ["default"]


def of_server() -> InMemoryKube:
    """A cluster with both namespaces of a stack that has an NFS server."""
    kube = with_deployment()
    kube.apply(namespace_object("ha-counter-nfs"), FIELD_MANAGER)
    kube.put(claim("data-nfs-0", namespace="ha-counter-nfs", of="nfs"))
    return kube


@pytest.mark.usefixtures("without_cli")
def test_with_it_goes_the_namespace_of_the_nfs_server_last(
    command: Callable[..., int], python: Callable[[str], None], kubes: Kubes
) -> None:
    python("exit 0")
    kubes["kind", None] = of_server()

    assert command("destroy", "--context=kind", "--yes") == 0

    assert kubes["kind", None].deleted == ["Namespace ha-counter", "Namespace ha-counter-nfs"]


@pytest.mark.usefixtures("without_cli")
def test_a_namespace_of_that_name_that_no_stack_made_stays(
    command: Callable[..., int], python: Callable[[str], None], kubes: Kubes
) -> None:
    python("exit 0")
    kubes["kind", None].put(namespace_object("ha-counter-nfs"))

    assert command("destroy", "--context=kind", "--yes") == 0

    assert kubes["kind", None].names("Namespace") == ["default", "ha-counter-nfs"]


@pytest.mark.usefixtures("without_cli")
def test_of_an_nfs_server_s_namespace_of_somebody_else_s_it_deletes_the_volume(
    command: Callable[..., int], python: Callable[[str], None], kubes: Kubes, capsys: pytest.CaptureFixture[str]
) -> None:
    python("exit 0")
    kube = kubes["kind", None] = of_server()
    kube.put(
        {**namespace_object("ha-counter-nfs"), "metadata": {"name": "ha-counter-nfs", "managedFields": BY_KUBECTL}}
    )

    assert command("destroy", "--context=kind", "--yes") == 0

    assert kube.deleted == ["Namespace ha-counter", "PersistentVolumeClaim ha-counter-nfs/data-nfs-0"]
    assert "The namespace ha-counter-nfs in context kind stays" in capsys.readouterr().out


@pytest.mark.usefixtures("without_cli")
def test_it_says_that_the_snapshots_go_too(
    command: Callable[..., int], kubes: Kubes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    kubes["kind", None] = of_server()

    assert command("destroy", "--context=kind") == 1

    assert capsys.readouterr().err.startswith(
        "error: This deletes the namespace ha-counter with its volumes and the namespace ha-counter-nfs with its "
        "volumes in context kind, and so the count and its snapshots."
    )


@pytest.mark.usefixtures("without_cli")
def test_of_a_namespace_of_somebody_else_s_it_deletes_the_stack_s_volumes(
    command: Callable[..., int],
    python: Callable[[str], None],
    kubes: Kubes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    python("exit 0")
    kube = kubes["kind", None]
    kube.put({**namespace_object("ha-counter"), "metadata": {"name": "ha-counter", "managedFields": BY_KUBECTL}})
    kube.put(claim("data-other-0"))
    kube.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "ha-counter", "name": "etcd-cluster"}})

    assert command("destroy", "--context=kind", "--yes") == 0

    assert kube.deleted == ["PersistentVolumeClaim ha-counter/data-etcd-0", "ConfigMap ha-counter/etcd-cluster"]
    assert capsys.readouterr().out.splitlines()[1:] == [
        "The namespace ha-counter in context kind stays, without the volumes: kubectl-create made it or wrote to it, "
        "too. To delete it:",
        "  kubectl --context kind delete namespace ha-counter",
    ]


@pytest.mark.usefixtures("without_cli")
def test_before_it_deletes_the_namespace_it_says_what_else_is_there(
    command: Callable[..., int], kubes: Kubes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    kubes["kind", None].put(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "ha-counter", "name": "mine"}}
    )

    assert command("destroy", "--context=kind") == 1

    assert "and so the count. With it goes what else is there: ConfigMap ha-counter/mine." in capsys.readouterr().err
    assert kubes["kind", None].deleted == []


@pytest.mark.usefixtures("without_cli")
def test_where_the_deployment_stays_the_namespace_stays(
    command: Callable[..., int], python: Callable[[str], None], kubes: Kubes
) -> None:
    python("exit 1")

    assert command("destroy", "--context=kind", "--yes") == 1
    assert kubes["kind", None].deleted == []


@pytest.mark.usefixtures("without_cli")
def test_the_namespace_is_deleted_where_the_stack_is(
    command: Callable[..., int],
    python: Callable[[str], None],
    kubes: Kubes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    python("exit 0")
    (tmp_path / "Pulumi.yaml").write_text((stack_config.PROJECT_FOLDER / "Pulumi.yaml").read_text())
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  ha-counter:kubeconfig: /of/the/stack\n")
    monkeypatch.setattr(stack_config, "PROJECT_FOLDER", tmp_path)

    assert command("destroy", "--context=kind", "--yes") == 0
    assert kubes["kind", Path("/of/the/stack")].names("Namespace") == ["default"]


# What `up` waits for.


@pytest.fixture
def etcd(kubes: Kubes, monkeypatch: pytest.MonkeyPatch) -> InMemoryKube:
    """A cluster whose members all vote; nothing is waited for long."""
    kube = kubes["kind", None] = with_etcd()
    status = {"nodeInfo": {"architecture": "amd64"}, "addresses": []}
    kube.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}, "status": status})
    for name, value in (("TIMEOUT", 0.0), ("POLL_INTERVAL", 0.0)):
        monkeypatch.setattr(members, name, value)
    monkeypatch.setattr(stack, "ANSWER_TIMEOUT", 0.0)
    return kube


@pytest.fixture
def controller(etcd: InMemoryKube, monkeypatch: pytest.MonkeyPatch) -> FakeController:
    fake = FakeController(etcd)
    monkeypatch.setattr(controller_service, "says", fake.says)
    return fake


def names_of_steps(output: str) -> list[str]:
    """What of its output tells of what it waited for, and that the counter runs then."""
    return [line.partition(",")[0] for line in output.splitlines() if line.startswith(("[", "The counter"))]


@pytest.mark.usefixtures("without_cli", "controller")
def test_up_says_where_the_counter_is_when_all_members_vote(
    command: Callable[..., int], python: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    python("exit 0")

    assert command("up", "--context=kind") == 0

    assert names_of_steps(capsys.readouterr().out) == ["[1/1] all members vote: done", "The counter runs"]


@pytest.mark.usefixtures("without_cli")
def test_it_waits_for_members_after_it_deployed_them(
    command: Callable[..., int],
    python: Callable[[str], None],
    etcd: InMemoryKube,
    controller: FakeController,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(members, "TIMEOUT", 300.0)
    python(f'echo "$2 $3" >> {tmp_path}/calls')
    set_ready(etcd, 2)
    controller.decide(decided(learners=[2]))()

    def see() -> str:
        assert (tmp_path / "calls").read_text().splitlines()[-1] == "local.deploy up"
        return "deployed"

    controller.steps = [see, controller.ready(3), controller.decide(decided())]

    assert command("up", "--context=kind") == 0
    assert controller.steps == []
    assert "local.deploy output" in (tmp_path / "calls").read_text()


@pytest.mark.usefixtures("without_cli")
@pytest.mark.parametrize("members_", ["5", "1"])
def test_it_waits_for_as_many_as_are_configured(
    command: Callable[..., int],
    python: Callable[[str], None],
    controller: FakeController,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    members_: str,
) -> None:
    python("exit 0")
    load = stack_config.load
    monkeypatch.setattr(
        stack_config, "load", lambda name, overrides: load(name, {**overrides, "etcdMembers": members_})
    )
    controller.said = "changes how many there are"

    assert command("up", "--context=kind") == 1

    out, err = capsys.readouterr()
    assert err == "error: not done within 0 s; the controller says: changes how many there are\n"
    assert names_of_steps(out) == ["[1/1] all members vote: failed"]


@pytest.mark.usefixtures("without_cli")
def test_for_a_deployment_that_failed_it_does_not_wait(
    command: Callable[..., int],
    python: Callable[[str], None],
    etcd: InMemoryKube,
    controller: FakeController,
    capsys: pytest.CaptureFixture[str],
) -> None:
    python('test "$2" = local.preflight')
    set_ready(etcd, 0)

    assert command("up", "--context=kind") == 1

    assert "error: the deployment failed" in capsys.readouterr().err
    assert controller.asked == 0


@pytest.mark.parametrize("what", ["down", "destroy"])
def test_without_a_local_cluster_there_is_nothing_to_do(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], what: str
) -> None:
    assert command(what, "--cluster=e2e") == 0
    assert capsys.readouterr().out == "no local cluster e2e\n"


def test_a_cluster_and_a_context_are_not_both_taken(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command("up", "--cluster=e2e", "--context=kind")

    assert "not allowed with" in capsys.readouterr().err


def test_an_output_of_a_cluster_that_there_is_not_is_told(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("output", "nodeport") == 1
    assert capsys.readouterr().err == "error: there is no local cluster 'ha-counter'; `make up` makes it\n"
