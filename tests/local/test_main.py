import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local import __main__ as program
from local import binaries, cluster, daemons
from local.cluster import DaemonStatus
from local.errors import LocalError
from local.layout import Layout, find_or_claim
from tests.local.conftest import is_reserved

Command = Callable[..., int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the program with these arguments; its exit code."""

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["local", *words])
        return program.main()

    return run


class Replaced(Exception):  # noqa: N818 - nothing went wrong
    """This process would be another program now."""


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, list[str], dict[str, str]]]:
    """The programs that took this one's place, with their arguments and environment."""
    calls: list[tuple[Path, list[str], dict[str, str]]] = []

    def execve(path: Path, words: list[str], environment: dict[str, str]) -> None:
        calls.append((path, words, environment))
        raise Replaced

    monkeypatch.setattr(os, "execve", execve)
    return calls


@pytest.fixture(autouse=True)
def root_on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "require_linux_root", lambda: None)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster's API server runs, and its kubectl is built."""
    binaries.folder().mkdir(parents=True)
    (binaries.folder() / "kubectl").touch()
    monkeypatch.setattr(daemons, "main_process", lambda _layout, name: 1 if name == "kube-apiserver" else None)


Executed = list[tuple[Path, list[str], dict[str, str]]]


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    "words",
    [
        ["get", "pods"],
        ["--help"],
        ["--name", "pod"],
        ["get", "pod", "--name"],
        ["exec", "etcd-0", "--", "sh", "-c", "kubectl -h"],
        ["kubectl"],
        [],
    ],
)
def test_what_follows_kubectl_goes_to_it_untouched(command: Command, executed: Executed, words: list[str]) -> None:
    find_or_claim("e2e")

    with pytest.raises(Replaced):
        command("--name", "e2e", "kubectl", *words)

    [(path, arguments, _)] = executed
    assert path == binaries.folder() / "kubectl"
    assert arguments == ["kubectl", *words]


@pytest.mark.parametrize("words", [["--name", "kubectl", "env"], ["--name=kubectl", "env"]])
def test_a_cluster_may_be_called_like_the_command(
    command: Command, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    layout = find_or_claim("kubectl")

    assert command(*words) == 0
    assert f"export KUBECONFIG={layout.kubeconfig}" in capsys.readouterr().out


@pytest.mark.usefixtures("runs")
def test_kubectl_reaches_the_named_cluster(
    command: Command, executed: Executed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/of/the/user")
    layout = find_or_claim("e2e")

    with pytest.raises(Replaced):
        command("--name=e2e", "kubectl", "version")

    [(_, _, environment)] = executed
    assert environment["KUBECONFIG"] == str(layout.kubeconfig)
    assert environment["PATH"] == os.environ["PATH"]


def test_kubectl_of_a_cluster_that_is_down_says_so(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    find_or_claim("e2e")

    assert command("--name", "e2e", "kubectl", "get", "pods") == 1

    error = "error: cluster 'e2e' is not up; start it with `python -m local --name e2e up`\n"
    assert capsys.readouterr().err == error


@pytest.mark.parametrize("what", ["up", "down", "destroy"])
def test_a_command_has_the_cluster_for_itself(command: Command, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    reserved: list[bool] = []
    layout = find_or_claim("e2e")

    def change(*_: object) -> Layout:
        reserved.append(is_reserved("e2e"))
        return layout

    monkeypatch.setattr(cluster, what, change)

    assert command("--name", "e2e", what) == 0
    assert reserved == [True]
    assert not is_reserved("e2e")


@pytest.mark.parametrize("words", [["kubectl", "get", "pods"], ["env"], ["status"]])
def test_a_cluster_that_there_is_not_is_told(
    command: Command, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert command("--name", "e2e", *words) == 1
    assert "there is no local cluster 'e2e'; make it with `python -m local --name e2e up`" in capsys.readouterr().err


def test_env_is_for_a_shell_to_evaluate(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    layout = find_or_claim("e2e")

    assert command("--name", "e2e", "env") == 0

    assert capsys.readouterr().out.splitlines() == [
        f"export KUBECONFIG={layout.kubeconfig}",
        f"export DOCKER_HOST=unix://{layout.docker_socket}",
    ]


def test_help_names_all_commands(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        command("--help")

    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert all(f"\n    {name} " in text for name in ("up", "down", "status", "build", "env", "kubectl"))


@pytest.mark.parametrize("words", [[], ["dance"], ["up", "down"]])
def test_other_commands_are_refused(command: Command, words: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        command(*words)

    assert exit_.value.code == 2


def test_an_error_is_told_in_one_line(
    command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def up(name: str, *_: object) -> Layout:
        raise LocalError(f"{name}: {'no ' * 100}[red]")

    monkeypatch.setattr(cluster, "up", up)

    assert command("--name", "e2e", "up") == 1
    assert capsys.readouterr().err == f"error: e2e: {'no ' * 100}[red]\n"


def test_an_interruption_says_how_to_go_on(
    command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def up(*_: object) -> Layout:
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "up", up)

    assert command("up") == 130
    assert "the same command goes on from here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pids", "exit_code"), [([11, 12], 0), ([11, None], 1), ([], 1)], ids=["all run", "one does not", "there are none"]
)
def test_status_tells_by_its_exit_code_whether_all_daemons_run(
    command: Command, monkeypatch: pytest.MonkeyPatch, pids: list[int | None], exit_code: int
) -> None:
    find_or_claim("e2e")
    rows = [DaemonStatus(f"daemon-{number}", pid, 1 << 20, Path("log")) for number, pid in enumerate(pids)]
    monkeypatch.setattr(cluster, "status", lambda _: rows)
    monkeypatch.setattr(cluster, "memory", lambda _: 0)

    assert command("--name", "e2e", "status") == exit_code


def test_status_names_a_daemon_that_does_not_run(
    command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find_or_claim("e2e")
    monkeypatch.setattr(cluster, "status", lambda _: [DaemonStatus("etcd", None, 0, Path("log"))])
    monkeypatch.setattr(cluster, "memory", lambda _: 3 << 20)

    command("--name", "e2e", "status")

    text = capsys.readouterr().out
    [row] = [line for line in text.splitlines() if line.startswith(" etcd ")]
    assert "not running" in row
    assert "pods included: 3 MiB" in text
