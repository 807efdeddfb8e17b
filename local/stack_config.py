"""A stack's configuration as the Pulumi CLI reads it: the project's defaults, then the stack file, then overrides."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.errors import LocalError
from local.layout import user_state_root

PROJECT = "ha-counter"
PROJECT_FOLDER = Path(__file__).parent.parent


@dataclass(frozen=True)
class StackConfig:
    """A stack and its values; keys have the form PROJECT:KEY, values are strings as `pulumi.Config` wants them."""

    program: Path
    stack: str
    values: Mapping[str, str]

    @property
    def record(self) -> Path:
        """Where `local/deploy.py` keeps what must outlast its runs."""
        return user_state_root() / "deployments" / f"{self.stack}@{self['context']}.json"

    def __getitem__(self, key: str) -> str:
        return self.values.get(f"{PROJECT}:{key}", "")


def load(stack: str, overrides: Mapping[str, str]) -> StackConfig:
    """Read Pulumi.yaml and Pulumi.STACK.yaml.

    Raises LocalError for a stack without a file and for keys that the project's schema does not have.
    """
    project = _read(PROJECT_FOLDER / "Pulumi.yaml")
    stack_file = PROJECT_FOLDER / f"Pulumi.{stack}.yaml"
    schema: dict[str, dict[str, Any]] = project.get("config", {})
    defaults = {f"{PROJECT}:{key}": entry["default"] for key, entry in schema.items() if "default" in entry}
    stack_values: dict[str, Any] = _read(stack_file).get("config") or {}
    given = {f"{PROJECT}:{key}": value for key, value in overrides.items()}
    unknown = sorted({key.partition(":")[2] for key in (*stack_values, *given)} - set(schema))
    if unknown:
        raise LocalError(f"configuration keys {unknown}: no such key; there are {sorted(schema)}")
    values = {key: _as_text(key, value) for key, value in {**defaults, **stack_values, **given}.items()}
    return StackConfig(PROJECT_FOLDER / project["main"], stack, values)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of every command that works on a stack."""
    parser.add_argument("--stack", default="dev", help="whose values to use (default: %(default)s)")
    parser.add_argument(
        "--config", action="append", default=[], metavar="KEY=VALUE", help="use this value instead of the stack file's"
    )


def as_options(stack: str, overrides: Mapping[str, str]) -> list[str]:
    """Those options for a stack with other values."""
    return [f"--stack={stack}", *(f"--config={key}={value}" for key, value in overrides.items())]


def from_arguments(arguments: argparse.Namespace) -> StackConfig:
    """What those options say. Raises LocalError as `load` does, and for what can't be an option's value."""
    wrong = [word for word in arguments.config if "=" not in word]
    if wrong:
        raise LocalError(f"--config {' '.join(wrong)}: it must be KEY=VALUE")
    given = dict(word.split("=", 1) for word in arguments.config)
    if "registryPassword" in given:
        raise LocalError(
            "--config registryPassword=...: all users of this machine could read it in the list of processes; "
            f"put it into Pulumi.{arguments.stack}.yaml, and don't commit that"
        )
    return load(arguments.stack, given)


def _read(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = yaml.safe_load(file.read_text()) or {}
    except FileNotFoundError as error:
        raise LocalError(f"{file}: no such file; a stack's values live in Pulumi.STACK.yaml") from error
    except yaml.YAMLError as error:
        raise LocalError(f"{file}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise LocalError(f"{file}: must hold keys and values")
    return content


def _as_text(key: str, value: object) -> str:
    if isinstance(value, dict):
        raise LocalError(f"{key}: is encrypted or has parts, which only the Pulumi CLI can read; use ENGINE=pulumi")
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
