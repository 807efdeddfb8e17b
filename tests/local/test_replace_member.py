import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from controller.record import Change, Kind, Record
from local import controller_service, members, replace_member, stack_config
from local.kube import Object
from local.layout import find_or_claim
from tests.local.fake_controller import RECORD, FakeController, decided, read, with_etcd, write
from tests.local.in_memory_kube import InMemoryKube

Command = Callable[..., int]
Output = pytest.CaptureFixture[str]

REPLACE_1 = {"wish": "replace", "snapshot": "", "member": 1}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "POLL_INTERVAL", 0.0)


@pytest.fixture
def reached() -> list[tuple[str, Path | None]]:
    """The contexts and kubeconfigs through which the cluster was reached."""
    return []


@pytest.fixture(autouse=True)
def kube(reached: list[tuple[str, Path | None]], monkeypatch: pytest.MonkeyPatch) -> InMemoryKube:
    """What all contexts lead to."""
    fake = with_etcd()

    def connect(context: str, kubeconfig: Path | None) -> InMemoryKube:
        reached.append((context, kubeconfig))
        return fake

    monkeypatch.setattr(replace_member, "Kube", connect)
    return fake


@pytest.fixture(autouse=True)
def controller(kube: InMemoryKube, monkeypatch: pytest.MonkeyPatch) -> FakeController:
    """It replaces etcd-1, if it is asked to."""
    fake = FakeController(kube)
    fake.steps = [
        lambda: "holds",
        fake.finish(decided(change=Change(Kind.REMOVE, 1, entry=101))),
        fake.ready(2),
        fake.decide(decided(members=[0, 2])),
        fake.ready(3),
        fake.decide(decided(learners=[1])),
        fake.decide(decided()),
    ]
    monkeypatch.setattr(controller_service, "says", fake.says)
    return fake


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command for this member; its exit code."""

    def run(member: object, *words: str, where: str = "--context=kind") -> int:
        monkeypatch.setattr(sys, "argv", ["replace_member", where, f"--member={member}", *words])
        return replace_member.main()

    return run


def asked(kube: InMemoryKube) -> list[Object]:
    """What was asked for, but for the IDs. Nothing else was changed."""
    assert {(what, *changes, *changes["data"], who) for what, changes, who in kube.patched} <= {
        ("ConfigMap ha-counter/etcd-cluster", "data", "request", "ha-counter-request")
    }
    requests = [json.loads(changes["data"]["request"]) for _, changes, _ in kube.patched]
    return [{key: value for key, value in request.items() if key != "id"} for request in requests]


@pytest.mark.parametrize("member", [0, 2])
def test_it_is_asked_for_by_its_number(command: Command, kube: InMemoryKube, member: int) -> None:
    assert command(member, "--yes") == 0

    assert asked(kube) == [{"wish": "replace", "snapshot": "", "member": member}]


def test_all_members_are_waited_for(command: Command, controller: FakeController, capsys: Output) -> None:
    assert command(1, "--yes") == 0

    assert controller.steps == []
    told = [line.partition(",")[0] for line in capsys.readouterr().err.splitlines()]
    assert told == ["[1/2] taken for gone: done", "[2/2] all members vote: done"]


@pytest.mark.parametrize("member", [-1, 3, 10])
def test_a_member_that_there_is_not_is_told_before_anything_is_asked(
    command: Command, kube: InMemoryKube, capsys: Output, member: int
) -> None:
    assert command(member, "--yes") == 1

    assert capsys.readouterr().err == f"error: N={member}: there is no such member; there are 0 to 2\n"
    assert kube.patched == []


def test_which_there_are_is_for_the_record_to_say(command: Command, kube: InMemoryKube, capsys: Output) -> None:
    write(kube, replace(read(kube), cluster=decided(size=5, members=range(5))))

    assert command(5, "--yes") == 1
    assert "there are 0 to 4" in capsys.readouterr().err


def test_one_that_has_no_entry_now_may_be_taken_for_gone_all_the_same(command: Command, kube: InMemoryKube) -> None:
    """Its pod may hang on a node that is gone."""
    write(kube, replace(read(kube), cluster=decided(members=[0, 2])))

    assert command(1, "--yes") == 0
    assert [request["member"] for request in asked(kube)] == [1]


@pytest.mark.parametrize("member", ["", "etcd-1"])
def test_what_is_no_number_is_told(command: Command, kube: InMemoryKube, capsys: Output, member: str) -> None:
    with pytest.raises(SystemExit) as ended:
        command(member, "--yes")

    assert ended.value.code == 2
    assert "--member: invalid int value" in capsys.readouterr().err
    assert kube.patched == []


def test_it_wants_a_yes(command: Command, kube: InMemoryKube, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))

    assert command(1) == 1

    assert "To say yes without being asked: YES=1" in capsys.readouterr().err
    assert kube.patched == []


@pytest.mark.parametrize(("answer", "agreed"), [("y", True), ("n", False)])
def test_on_a_terminal_it_says_what_is_deleted_and_asks(
    command: Command,
    kube: InMemoryKube,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    agreed: bool,
) -> None:
    questions: list[str] = []

    def ask(question: str) -> str:
        assert kube.patched == []
        questions.append(question)
        return answer

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", ask)

    assert command(1) == (0 if agreed else 1)

    assert len(asked(kube)) == agreed
    assert ("error: nothing was changed" in capsys.readouterr().err) is not agreed
    assert questions == [
        "This takes etcd-1 for gone for good, with its node and its volume: its pod and its claim are deleted, and "
        "another member comes in its place. If the others are no quorum, a new epoch begins from the newest that they "
        "and backup have, and what only this member has is lost. Go on? [y/N] "
    ]


def test_a_controller_that_waits_is_told_in_its_own_words(
    command: Command, controller: FakeController, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "TIMEOUT", 0.0)
    controller.steps = []
    controller.said = "etcd-2 is silent"

    assert command(1, "--yes") == 1
    assert "error: not done within 0 s; the controller says: etcd-2 is silent" in capsys.readouterr().err


def test_what_somebody_withdrew_is_an_error(
    command: Command, kube: InMemoryKube, controller: FakeController, capsys: Output
) -> None:
    def withdraw() -> str:
        InMemoryKube.patch(kube, RECORD, {"data": {"request": None}}, "kubectl")
        return "nothing is asked for"

    controller.steps = [withdraw]

    assert command(1, "--yes") == 1
    assert "error: replace-member N=1 was withdrawn, or something else was asked for: None" in capsys.readouterr().err


def test_what_is_not_deployed_has_no_members(command: Command, kube: InMemoryKube, capsys: Output) -> None:
    kube.delete(RECORD)

    assert command(0, "--yes") == 1
    assert capsys.readouterr().err == "error: there is no ConfigMap ha-counter/etcd-cluster; `make up` makes it\n"


# The command line.


def test_it_goes_to_the_stack_s_namespace_in_the_context_that_is_named(
    command: Command, reached: list[tuple[str, Path | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    load = stack_config.load
    given = {"kubeconfig": "/of/the/stack", "namespace": "mine"}
    monkeypatch.setattr(stack_config, "load", lambda name, overrides: load(name, {**overrides, **given}))
    namespaces: list[str] = []
    monkeypatch.setattr(replace_member, "replace", lambda _kube, namespace, *_: namespaces.append(namespace))

    assert command(0) == 0
    assert (reached, namespaces) == ([("kind", Path("/of/the/stack"))], ["mine"])


def test_it_goes_to_the_local_cluster(command: Command, reached: list[tuple[str, Path | None]]) -> None:
    layout = find_or_claim("e2e")

    assert command(1, "--yes", where="--cluster=e2e") == 0
    assert reached == [("e2e", layout.kubeconfig)]


def test_a_cluster_that_there_is_not_is_told(command: Command, capsys: Output) -> None:
    assert command(1, "--yes", where="--cluster=e2e") == 1

    assert capsys.readouterr().err == "error: there is no local cluster 'e2e'; `make up` makes it\n"


def test_that_n_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(sys, "argv", ["replace_member", "--yes"])

    with pytest.raises(SystemExit) as ended:
        replace_member.main()

    assert ended.value.code == 2
    assert "the following arguments are required: --member" in capsys.readouterr().err


def test_what_was_asked_for_already_is_waited_for_and_not_asked_for_again(
    command: Command, kube: InMemoryKube, capsys: Output
) -> None:
    InMemoryKube.patch(kube, RECORD, {"data": {"request": json.dumps({**REPLACE_1, "id": "before"})}}, "kubectl")

    assert command(1, "--yes") == 0

    assert [who for _, _, who in kube.patched] == ["kubectl"]
    assert "replace-member N=1 was asked for already" in capsys.readouterr().err


def test_another_request_that_is_not_done_is_not_overwritten(
    command: Command, kube: InMemoryKube, capsys: Output
) -> None:
    InMemoryKube.patch(kube, RECORD, {"data": {"request": json.dumps({"id": "a", "wish": "empty"})}}, "kubectl")

    assert command(1, "--yes") == 1

    assert "error: EMPTY=yes was asked for, and is not done" in capsys.readouterr().err
    assert [who for _, _, who in kube.patched] == ["kubectl"]


def test_before_anything_is_decided_there_are_no_members(command: Command, kube: InMemoryKube, capsys: Output) -> None:
    write(kube, Record())

    assert command(1, "--yes") == 1
    assert "error: no members were decided on yet" in capsys.readouterr().err
