"""The CLI's wrapper, with a shell script that stands for the CLI."""

import json
import os
import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import pulumi_cli
from local.errors import LocalError
from local.pulumi_cli import PulumiCli
from tests.local.in_memory_kube import InMemoryKube

TRACKED = b"""# What makes the dev stack special.
config:
    ha-counter:spread:   required
    ha-counter:registry: of-the-stack
"""

# As the real one, it writes a salt into the stack file of a stack that it makes.
SCRIPT = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/calls"
env > "$here/environment"
if test "$1 $2" = "stack select" && ! test -e "$here/made"; then
    touch "$here/made"
    echo "encryptionsalt: v1:salt" >> "Pulumi.$4.yaml"
fi
case "$1 $2" in
    "stack output") echo 30180 ;;
    "stack export") cat "$here/state.json" 2> /dev/null || echo '{"deployment": null}' ;;
    up* | destroy*) for last; do :; done; cp "$last" "$here/used.yaml"; pwd > "$here/folder" ;;
esac
exit $(cat "$here/exit_code" 2> /dev/null || echo 0)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the stack `dev`."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.dev.yaml").write_bytes(TRACKED)
    monkeypatch.setattr(pulumi_cli, "PROJECT_FOLDER", folder)
    return folder


@pytest.fixture
def bin_(tmp_path: Path) -> Path:
    """The folder with the CLI, which leaves there what it was called with."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "pulumi").write_text(SCRIPT)
    (folder / "pulumi").chmod(0o755)
    return folder


@pytest.fixture
def cli(project: Path, bin_: Path, monkeypatch: pytest.MonkeyPatch) -> PulumiCli:
    del project
    for variable in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(variable, raising=False)
    return PulumiCli(str(bin_ / "pulumi"), "dev", "test", {"context": "test"}, {"KUBECONFIG": "/kubeconfig"})


@pytest.fixture
def copy(home: Path) -> Path:
    """Our copy of the stack file, in the folder of the context's state."""
    return home / ".local/state/ha-counter/pulumi/test/Pulumi.dev.yaml"


def used(bin_: Path) -> dict[str, Any]:
    """The stack file that the last `up` or `destroy` used."""
    content: dict[str, Any] = yaml.safe_load((bin_ / "used.yaml").read_text())
    return content


def environment(bin_: Path) -> dict[str, str]:
    lines = (bin_ / "environment").read_text().splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def calls(bin_: Path) -> list[str]:
    """What the CLI was called with, call by call."""
    return (bin_ / "calls").read_text().splitlines()


# What is called.


def test_up_makes_the_stack_and_asks_nothing(cli: PulumiCli, bin_: Path, copy: Path) -> None:
    cli.up()

    assert calls(bin_) == [
        "stack select --create dev",
        "stack export --stack dev",
        f"up --yes --skip-preview --refresh --stack dev --config-file {copy}",
    ]


def test_a_preview_changes_nothing_but_the_copy(cli: PulumiCli, bin_: Path, copy: Path) -> None:
    cli.preview()

    assert (bin_ / "calls").read_text().splitlines() == [
        "stack select --create dev",
        f"preview --diff --refresh --stack dev --config-file {copy}",
    ]


def test_down_destroys_and_asks_nothing(cli: PulumiCli, bin_: Path, copy: Path) -> None:
    cli.down()

    assert calls(bin_) == [
        "stack select --create dev",
        "stack export --stack dev",
        f"destroy --yes --skip-preview --stack dev --config-file {copy}",
    ]


def test_it_runs_in_the_project_s_folder(cli: PulumiCli, bin_: Path, project: Path) -> None:
    cli.up()

    assert (bin_ / "folder").read_text() == f"{project}\n"


@pytest.mark.parametrize(
    ("key", "call"), [("nodeport", "stack output nodeport --stack dev"), (None, "stack output --stack dev")]
)
def test_an_output_is_one_call(cli: PulumiCli, bin_: Path, key: str | None, call: str) -> None:
    assert cli.output(key) == "30180"
    assert calls(bin_) == [call]


def test_a_failed_run_is_told(cli: PulumiCli, bin_: Path) -> None:
    cli.up()
    (bin_ / "pulumi").write_text(SCRIPT.replace("case", 'test "$1" = up && exit 255\ncase'))

    with pytest.raises(LocalError, match=r"`pulumi up --yes .*` failed with exit code 255"):
        cli.up()


def test_a_stack_that_can_not_be_made_is_told_with_what_the_cli_says(cli: PulumiCli, bin_: Path) -> None:
    (bin_ / "pulumi").write_text("#!/bin/sh\necho passphrase must be set >&2; exit 255")

    with pytest.raises(LocalError, match="passphrase must be set"):
        cli.up()


# The stack file.


def test_the_tracked_stack_file_stays_as_it_is(cli: PulumiCli, project: Path) -> None:
    cli.up()
    cli.down()

    assert (project / "Pulumi.dev.yaml").read_bytes() == TRACKED
    assert [file.name for file in project.iterdir()] == ["Pulumi.dev.yaml"]


def test_it_stays_as_it_is_when_the_cli_fails(cli: PulumiCli, bin_: Path, project: Path) -> None:
    (bin_ / "exit_code").write_text("255")

    with pytest.raises(LocalError):
        cli.up()

    assert (bin_ / "made").exists()
    assert (project / "Pulumi.dev.yaml").read_bytes() == TRACKED


def test_the_copy_has_the_values_the_overrides_and_the_salt(cli: PulumiCli, bin_: Path) -> None:
    replace(cli, overrides={"context": "test", "registry": "localhost:5001"}).up()

    assert used(bin_) == {
        "config": {
            "ha-counter:spread": "required",
            "ha-counter:registry": "localhost:5001",
            "ha-counter:context": "test",
        },
        "encryptionsalt": "v1:salt",
    }


def test_a_later_run_keeps_the_salt(cli: PulumiCli, bin_: Path) -> None:
    cli.up()

    cli.up()

    assert used(bin_)["encryptionsalt"] == "v1:salt"


def test_a_later_run_follows_changed_values(cli: PulumiCli, bin_: Path, project: Path) -> None:
    cli.up()
    (project / "Pulumi.dev.yaml").write_text("config:\n  ha-counter:spread: preferred\n")

    cli.up()

    assert used(bin_)["config"] == {"ha-counter:spread": "preferred", "ha-counter:context": "test"}


def test_a_later_run_forgets_overrides_that_are_no_longer_given(cli: PulumiCli, bin_: Path) -> None:
    replace(cli, overrides={"registry": "localhost:5001"}).up()

    cli.up()

    assert used(bin_)["config"]["ha-counter:registry"] == "of-the-stack"


@pytest.mark.parametrize("content", ["", "config:\n", "# nothing\n"])
def test_a_stack_may_set_nothing(cli: PulumiCli, bin_: Path, project: Path, content: str) -> None:
    (bin_ / "made").touch()
    (project / "Pulumi.dev.yaml").write_text(content)

    cli.up()

    assert used(bin_)["config"] == {"ha-counter:context": "test"}


# The environment.


def test_state_is_kept_in_files_one_folder_for_each_context(cli: PulumiCli, bin_: Path, copy: Path) -> None:
    cli.up()
    assert environment(bin_)["PULUMI_BACKEND_URL"] == f"file://{copy.parent}"

    replace(cli, context="other").up()
    assert environment(bin_)["PULUMI_BACKEND_URL"] == f"file://{copy.parent.with_name('other')}"


def test_another_backend_may_be_named(cli: PulumiCli, bin_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")

    cli.up()

    assert environment(bin_)["PULUMI_BACKEND_URL"] == "s3://bucket"


def test_the_cluster_s_variables_come_before_the_user_s(
    cli: PulumiCli, bin_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/of/the/user")

    cli.up()

    assert environment(bin_)["KUBECONFIG"] == "/kubeconfig"


@pytest.mark.parametrize(
    ("given", "passphrase"),
    [
        ({}, ""),
        ({"PULUMI_CONFIG_PASSPHRASE": "secret"}, "secret"),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/passphrase"}, None),
    ],
    ids=["none", "passphrase", "file"],
)
def test_the_passphrase_is_the_user_s_or_empty(
    cli: PulumiCli, bin_: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], passphrase: str | None
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    cli.up()

    assert environment(bin_).get("PULUMI_CONFIG_PASSPHRASE") == passphrase


# After a run that was killed.

ETCD = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"namespace": "counters", "name": "etcd"}}


@pytest.fixture
def kube(monkeypatch: pytest.MonkeyPatch) -> InMemoryKube:
    """The cluster of the context `test`, reached through the kubeconfig that the target names."""
    kube = InMemoryKube()

    def connect(context: str, kubeconfig: Path | None) -> InMemoryKube:
        assert (context, kubeconfig) == ("test", Path("/kubeconfig"))
        return kube

    monkeypatch.setattr(pulumi_cli, "Kube", connect)
    return kube


def remember(bin_: Path, *, context: str = "test", creating: Iterable[Mapping[str, Any]] = ()) -> None:
    """Have the CLI tell of a stack that was deployed to a context, and of creations that were cut off."""
    resources = [{"urn": "urn::fixed-settings", "outputs": {"output": {"context": context}}}]
    pending = [{"type": "creating", "resource": resource_of(item)} for item in creating]
    state = {"deployment": {"resources": resources, "pending_operations": pending}}
    (bin_ / "state.json").write_text(json.dumps(state))


def resource_of(item: Mapping[str, Any]) -> dict[str, Any]:
    kind = f"kubernetes:{item['apiVersion']}:{item['kind']}"
    return {"urn": f"urn::{kind}::{item['metadata']['name']}", "type": kind, "inputs": item}


def made_by(manager: str, item: Mapping[str, Any]) -> dict[str, Any]:
    return {**item, "metadata": {**item["metadata"], "managedFields": [{"manager": manager}]}}


def test_an_object_that_the_cli_does_not_know_to_have_made_is_made_anew(
    cli: PulumiCli, bin_: Path, kube: InMemoryKube, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kube.put(made_by("pulumi-kubernetes-1234", ETCD))
    remember(bin_, creating=[ETCD])

    cli.up()

    assert kube.objects() == []
    assert capsys.readouterr().out.startswith("StatefulSet counters/etcd: deleted, because")
    assert calls(bin_)[-2:] == [
        f"refresh --yes --skip-preview --clear-pending-creates --stack dev --config-file {copy}",
        f"up --yes --skip-preview --refresh --stack dev --config-file {copy}",
    ]


def test_down_deletes_it_too(cli: PulumiCli, bin_: Path, kube: InMemoryKube) -> None:
    kube.put(made_by("pulumi-kubernetes-1234", ETCD))
    remember(bin_, creating=[ETCD])

    cli.down()

    assert kube.objects() == []


def test_one_that_was_not_made_yet_is_of_no_harm(cli: PulumiCli, bin_: Path, kube: InMemoryKube) -> None:
    remember(bin_, creating=[ETCD])

    cli.up()

    assert kube.deleted == []
    assert calls(bin_)[-1].startswith("up ")


def test_one_of_somebody_else_s_is_left_alone(cli: PulumiCli, bin_: Path, kube: InMemoryKube) -> None:
    kube.put(made_by("kubectl", ETCD))
    remember(bin_, creating=[ETCD])

    cli.up()

    assert kube.deleted == []


def test_nothing_is_deleted_for_a_stack_of_another_cluster(cli: PulumiCli, bin_: Path, kube: InMemoryKube) -> None:
    kube.put(made_by("pulumi-kubernetes-1234", ETCD))
    remember(bin_, context="other", creating=[ETCD])

    cli.up()

    assert kube.deleted == []


def lock(copy: Path, pid: int, host: str) -> None:
    """Lock the stack as the CLI does it."""
    folder = copy.parent / ".pulumi/locks/organization/ha-counter/dev"
    folder.mkdir(parents=True)
    (folder / "3c2c9f8a.json").write_text(json.dumps({"pid": pid, "username": "root", "hostname": host}))
    (folder / "3c2c9f8a.json.attrs").write_text("of the bucket")


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize("command", ["up", "down"])
def test_its_lock_is_removed(cli: PulumiCli, bin_: Path, copy: Path, dead: int, command: str) -> None:
    lock(copy, dead, socket.gethostname())

    getattr(cli, command)()

    assert calls(bin_)[1] == "cancel --yes --stack dev"


def test_so_is_that_of_one_whose_end_nobody_has_taken_note_of(cli: PulumiCli, bin_: Path, copy: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        lock(copy, process.pid, socket.gethostname())

        cli.up()

    assert calls(bin_)[1] == "cancel --yes --stack dev"


def test_the_lock_of_a_run_that_lives_is_respected(cli: PulumiCli, bin_: Path, copy: Path) -> None:
    lock(copy, os.getpid(), socket.gethostname())

    cli.up()

    assert "cancel --yes --stack dev" not in calls(bin_)


def test_the_lock_of_another_machine_is_respected(cli: PulumiCli, bin_: Path, copy: Path, dead: int) -> None:
    lock(copy, dead, "elsewhere")

    cli.up()

    assert "cancel --yes --stack dev" not in calls(bin_)


# What is remembered.


def test_a_cluster_that_is_gone_is_forgotten(cli: PulumiCli, copy: Path) -> None:
    cli.up()
    replace(cli, context="other").up()

    cli.forget()

    assert not copy.parent.exists()
    assert copy.parent.with_name("other").is_dir()


def test_one_that_was_never_deployed_to_is_forgotten_already(cli: PulumiCli) -> None:
    cli.forget()


def test_a_backend_of_the_user_s_forgets_the_stack_of_a_cluster_that_is_gone(
    cli: PulumiCli, bin_: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    cli.up()
    remember(bin_)

    cli.forget()

    assert calls(bin_)[-1] == "stack rm --force --yes --preserve-config --stack dev"
    assert not copy.parent.exists()


def test_it_remembers_a_stack_that_is_deployed_elsewhere(
    cli: PulumiCli, bin_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    cli.up()
    remember(bin_, context="other")

    cli.forget()

    assert not any(call.startswith("stack rm") for call in calls(bin_))


def test_it_is_not_asked_of_a_stack_that_was_never_made(
    cli: PulumiCli, bin_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")

    cli.forget()

    assert not (bin_ / "calls").exists()


# Where the CLI is.


def test_the_cli_on_path_comes_before_the_one_of_make(bin_: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = home / ".pulumi" / "bin"
    installed.mkdir(parents=True)
    (installed / "pulumi").touch(mode=0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    assert pulumi_cli.path() == str(installed / "pulumi")

    monkeypatch.setenv("PATH", str(bin_))
    assert pulumi_cli.path() == str(bin_ / "pulumi")


def test_there_may_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert pulumi_cli.path() is None
