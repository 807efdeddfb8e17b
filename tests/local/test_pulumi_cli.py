"""The CLI's wrapper, with a shell script that stands for the CLI."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import pulumi_cli
from local.errors import LocalError
from local.pulumi_cli import PulumiCli

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
case "$1" in
    up | destroy) for last; do :; done; cp "$last" "$here/used.yaml"; pwd > "$here/folder" ;;
    stack) test "$2" = output && echo 30180 ;;
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


# What is called.


def test_up_makes_the_stack_and_asks_nothing(cli: PulumiCli, bin_: Path, copy: Path) -> None:
    cli.up()

    assert (bin_ / "calls").read_text().splitlines() == [
        "stack select --create dev",
        f"up --yes --skip-preview --stack dev --config-file {copy}",
    ]


def test_a_preview_changes_nothing_but_the_copy(cli: PulumiCli, bin_: Path, copy: Path) -> None:
    cli.preview()

    assert (bin_ / "calls").read_text().splitlines() == [
        "stack select --create dev",
        f"preview --diff --stack dev --config-file {copy}",
    ]


def test_down_destroys_and_asks_nothing(cli: PulumiCli, bin_: Path, copy: Path) -> None:
    cli.down()

    assert (bin_ / "calls").read_text().splitlines()[1:] == [
        f"destroy --yes --skip-preview --stack dev --config-file {copy}"
    ]


def test_it_runs_in_the_project_s_folder(cli: PulumiCli, bin_: Path, project: Path) -> None:
    cli.up()

    assert (bin_ / "folder").read_text() == f"{project}\n"


@pytest.mark.parametrize(
    ("key", "call"), [("nodeport", "stack output nodeport --stack dev"), (None, "stack output --stack dev")]
)
def test_an_output_is_one_call(cli: PulumiCli, bin_: Path, key: str | None, call: str) -> None:
    assert cli.output(key) == "30180"
    assert (bin_ / "calls").read_text().splitlines() == [call]


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


# What is remembered.


def test_a_cluster_that_is_gone_is_forgotten(cli: PulumiCli, copy: Path) -> None:
    cli.up()
    replace(cli, context="other").up()

    cli.forget()

    assert not copy.parent.exists()
    assert copy.parent.with_name("other").is_dir()


def test_one_that_was_never_deployed_to_is_forgotten_already(cli: PulumiCli) -> None:
    cli.forget()


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
