from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from local import stack_config
from local.errors import LocalError
from local.stack_config import add_arguments, as_options, from_arguments, load

PROJECT_FILE = """
name: ha-counter
main: infra/
config:
  context:
    type: string
  namespace:
    default: ha-counter
  nodePort:
    type: integer
    default: 30180
  debug:
    default: true
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a stack `dev` that sets nothing."""
    monkeypatch.setattr(stack_config, "PROJECT_FOLDER", tmp_path)
    (tmp_path / "Pulumi.yaml").write_text(PROJECT_FILE)
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n")
    return tmp_path


def test_the_project_s_defaults_come_last(project: Path) -> None:
    (project / "Pulumi.dev.yaml").write_text("config:\n  ha-counter:namespace: of-the-stack\n")

    assert load("dev", {})["namespace"] == "of-the-stack"
    assert load("dev", {})["nodePort"] == "30180"


def test_overrides_come_first(project: Path) -> None:
    (project / "Pulumi.dev.yaml").write_text("config:\n  ha-counter:namespace: of-the-stack\n")

    assert load("dev", {"namespace": "given"})["namespace"] == "given"


@pytest.mark.parametrize(("value", "text"), [("30181", "30181"), ("yes", "true"), ("500m", "500m"), ('""', "")])
def test_values_are_text_as_the_real_cli_hands_them_over(project: Path, value: str, text: str) -> None:
    (project / "Pulumi.dev.yaml").write_text(f"config:\n  ha-counter:namespace: {value}\n")

    assert load("dev", {})["namespace"] == text


def test_defaults_are_text_too() -> None:
    assert (load("dev", {})["nodePort"], load("dev", {})["debug"]) == ("30180", "true")


def test_keys_carry_the_project_s_name() -> None:
    assert load("dev", {"context": "test"}).values == {
        "ha-counter:context": "test",
        "ha-counter:namespace": "ha-counter",
        "ha-counter:nodePort": "30180",
        "ha-counter:debug": "true",
    }


def test_a_key_that_is_not_set_reads_as_empty() -> None:
    assert load("dev", {})["context"] == ""


def test_the_program_is_where_the_project_says(project: Path) -> None:
    assert load("dev", {}).program == project / "infra"


@pytest.mark.parametrize("content", ["", "config:\n", "config: {}\n", "# nothing\n"])
def test_a_stack_may_set_nothing(project: Path, content: str) -> None:
    (project / "Pulumi.dev.yaml").write_text(content)

    assert load("dev", {})["namespace"] == "ha-counter"


def test_an_unknown_key_of_the_stack_is_named_with_those_that_there_are(project: Path) -> None:
    (project / "Pulumi.dev.yaml").write_text("config:\n  ha-counter:nodeport: 30181\n")

    with pytest.raises(LocalError) as error:
        load("dev", {})

    assert "['nodeport']" in str(error.value)
    assert "'nodePort'" in str(error.value)


def test_all_unknown_overrides_are_named() -> None:
    with pytest.raises(LocalError, match=r"\['colour', 'size'\]"):
        load("dev", {"size": "1", "colour": "red", "namespace": "known"})


def test_a_stack_without_a_file_is_told() -> None:
    with pytest.raises(LocalError, match=r"Pulumi\.prod\.yaml: no such file"):
        load("prod", {})


@pytest.mark.parametrize("file", ["Pulumi.yaml", "Pulumi.dev.yaml"])
def test_a_file_that_is_not_yaml_is_named(project: Path, file: str) -> None:
    (project / file).write_text("config: [")

    with pytest.raises(LocalError, match=rf"{file}: not YAML"):
        load("dev", {})


def given(*words: str) -> Namespace:
    parser = ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_options_say_what_a_command_was_given() -> None:
    assert from_arguments(given(*as_options("dev", {"namespace": "a=b"})))["namespace"] == "a=b"


def test_an_option_without_a_value_is_told() -> None:
    with pytest.raises(LocalError, match="--config namespace: it must be KEY=VALUE"):
        from_arguments(given("--config=namespace"))


def test_a_password_is_refused_where_others_could_read_it() -> None:
    with pytest.raises(LocalError, match=r"put it into Pulumi\.dev\.yaml, and don't commit that") as error:
        from_arguments(given("--config=registryPassword=secret"))

    assert "secret" not in str(error.value)
