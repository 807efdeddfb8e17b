"""The real Pulumi CLI, run so that it leaves no trace in the checkout and asks no questions.

State lives in a local file backend, one for each context, unless PULUMI_BACKEND_URL names another. The stack file is
a copy: the CLI writes the backend's salt into it.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.commands import run
from local.errors import LocalError
from local.layout import user_state_root
from local.stack_config import PROJECT_FOLDER


def path() -> str | None:
    """Where the CLI is, if it is installed: on PATH, or where `make pulumi-cli` puts it."""
    return shutil.which("pulumi") or shutil.which("pulumi", path=str(Path.home() / ".pulumi" / "bin"))


@dataclass(frozen=True)
class PulumiCli:
    """The CLI at work on one stack in one context. `overrides` are configuration values without the project's name."""

    program: str
    stack: str
    context: str
    overrides: Mapping[str, str]
    environment: Mapping[str, str]

    def up(self) -> None:
        self._select()
        for key, value in self.overrides.items():
            self._quietly("config", "set", key, value, *self._stack_file_option())
        self._visibly("up", "--yes", "--skip-preview", *self._stack_file_option())

    def down(self) -> None:
        self._select()
        self._visibly("destroy", "--yes", "--skip-preview", *self._stack_file_option())

    def output(self, key: str | None) -> str:
        """One output, or all of them as a table. Raises LocalError if the stack is not deployed."""
        self._select()
        return self._quietly("stack", "output", *([key] if key else [])).strip()

    def _select(self) -> None:
        if not self._stack_file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT_FOLDER / f"Pulumi.{self.stack}.yaml", self._stack_file)
        self._quietly("stack", "select", "--create", self.stack, *self._stack_file_option())

    @property
    def _folder(self) -> Path:
        return user_state_root() / "pulumi" / self.context

    @property
    def _stack_file(self) -> Path:
        return self._folder / f"Pulumi.{self.stack}.yaml"

    def _stack_file_option(self) -> tuple[str, ...]:
        return "--config-file", str(self._stack_file)

    def _environment(self) -> dict[str, str]:
        secrets = {} if "PULUMI_CONFIG_PASSPHRASE_FILE" in os.environ else {"PULUMI_CONFIG_PASSPHRASE": ""}
        defaults = {"PULUMI_BACKEND_URL": f"file://{self._folder}", "PULUMI_SKIP_UPDATE_CHECK": "true", **secrets}
        return {**defaults, **os.environ, **self.environment}

    def _quietly(self, *arguments: str) -> str:
        return run([self.program, *arguments], cwd=PROJECT_FOLDER, env=self._environment())

    def _visibly(self, *arguments: str) -> None:
        done = subprocess.run([self.program, *arguments], cwd=PROJECT_FOLDER, env=self._environment())
        if done.returncode != 0:
            raise LocalError(f"`pulumi {' '.join(arguments)}` failed with exit code {done.returncode}; see above")
