"""The real Pulumi CLI, run so that it leaves no trace in the checkout and asks no questions.

State lives in a local file backend, one for each context, unless PULUMI_BACKEND_URL names another. The stack file is
a copy: the CLI writes the backend's salt into it.
"""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from local import files, pulumi_state, stack_config
from local.commands import run
from local.errors import LocalError
from local.kube import Kube, Object, delete_and_wait, describe
from local.layout import user_state_root
from local.pulumi_state import State
from local.stack_config import PROJECT, PROJECT_FOLDER


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
        self._prepare()
        self._take_up_what_was_cut_off()
        # Pulumi compares the program with its own state. What was changed by hand is only found by a refresh.
        self._visibly("up", "--yes", "--skip-preview", "--refresh", *self._options())

    def preview(self) -> None:
        """Print what `up` would do, field by field."""
        self._prepare()
        self._visibly("preview", "--diff", "--refresh", *self._options())

    def down(self) -> None:
        self._prepare()
        self._take_up_what_was_cut_off()
        self._visibly("destroy", "--yes", "--skip-preview", *self._options())

    def output(self, key: str | None) -> str:
        """One output, or all of them as a table. Raises LocalError if the stack is not deployed."""
        return self._quietly("stack", "output", *([key] if key else []), "--stack", self.stack).strip()

    def forget(self) -> None:
        """Forget what was deployed to a cluster that is gone."""
        in_other_hands = self._environment()["PULUMI_BACKEND_URL"] != self._own_backend
        if in_other_hands and self._stack_file.exists() and pulumi_state.context(self._state()) == self.context:
            self._quietly("stack", "rm", "--force", "--yes", "--preserve-config", "--stack", self.stack)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _prepare(self) -> None:
        """Make the stack if it is not there, and our copy of its file: tracked values, overrides, and the salt."""
        self._folder.mkdir(parents=True, exist_ok=True)
        tracked = PROJECT_FOLDER / f"Pulumi.{self.stack}.yaml"
        before = tracked.read_bytes()
        try:
            self._quietly("stack", "select", "--create", self.stack)
            content = yaml.safe_load(tracked.read_bytes()) or {}
        finally:
            if tracked.read_bytes() != before:
                tracked.write_bytes(before)
        if self._stack_file.exists():
            content = {**yaml.safe_load(self._stack_file.read_bytes()), **content}
        values = {f"{PROJECT}:{key}": value for key, value in self.overrides.items()}
        content["config"] = {**(content.get("config") or {}), **values}
        files.write(self._stack_file, yaml.safe_dump(content))

    def _take_up_what_was_cut_off(self) -> None:
        """Remove what a run that was killed left behind: its lock, and objects that the state does not know.

        Pulumi would try to make those again, and fail because they exist.
        """
        if self._is_locked_by_the_dead():
            self._quietly("cancel", "--yes", "--stack", self.stack)
        state = self._state()
        if not pulumi_state.has_pending_creations(state) or pulumi_state.context(state) != self.context:
            return
        for item in pulumi_state.half_made_objects(state):
            self._delete_half_made(item)
        self._visibly("refresh", "--yes", "--skip-preview", "--clear-pending-creates", *self._options())

    def _delete_half_made(self, item: Object) -> None:
        kube = self._kube()
        live = kube.get(item)
        if live is not None and pulumi_state.is_made_by_pulumi(live):
            print(f"{describe(live)}: deleted, because the run that began to make it was cut off", flush=True)
            delete_and_wait(kube, live)

    def _kube(self) -> Kube:
        configured = stack_config.load(self.stack, self.overrides)["kubeconfig"]
        kubeconfig = configured or self.environment.get("KUBECONFIG")
        return Kube(self.context, Path(kubeconfig) if kubeconfig else None)

    def _is_locked_by_the_dead(self) -> bool:
        """Whether our own backend is locked, and only by processes of this machine that are gone."""
        folder = self._folder / ".pulumi/locks/organization" / PROJECT / self.stack
        locks = [json.loads(file.read_bytes()) for file in folder.glob("*.json")]
        return bool(locks) and all(lock["hostname"] == socket.gethostname() and _is_gone(lock["pid"]) for lock in locks)

    def _state(self) -> State:
        """What the backend remembers of the stack."""
        deployment: State | None = json.loads(self._quietly("stack", "export", "--stack", self.stack))["deployment"]
        return deployment or {}

    @property
    def _own_backend(self) -> str:
        return f"file://{self._folder}"

    @property
    def _folder(self) -> Path:
        return user_state_root() / "pulumi" / self.context

    @property
    def _stack_file(self) -> Path:
        return self._folder / f"Pulumi.{self.stack}.yaml"

    def _options(self) -> tuple[str, ...]:
        return "--stack", self.stack, "--config-file", str(self._stack_file)

    def _environment(self) -> dict[str, str]:
        secrets = {} if "PULUMI_CONFIG_PASSPHRASE_FILE" in os.environ else {"PULUMI_CONFIG_PASSPHRASE": ""}
        defaults = {"PULUMI_BACKEND_URL": self._own_backend, "PULUMI_SKIP_UPDATE_CHECK": "true", **secrets}
        return {**defaults, **os.environ, **self.environment}

    def _quietly(self, *arguments: str) -> str:
        return run([self.program, *arguments], cwd=PROJECT_FOLDER, env=self._environment())

    def _visibly(self, *arguments: str) -> None:
        done = subprocess.run([self.program, *arguments], cwd=PROJECT_FOLDER, env=self._environment())
        if done.returncode != 0:
            raise LocalError(f"`pulumi {' '.join(arguments)}` failed with exit code {done.returncode}; see above")


def _is_gone(pid: int) -> bool:
    """Whether a process has ended, even if its parent does not know that yet."""
    try:
        os.kill(pid, 0)
        state = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return True
    except OSError:  # somebody else's, or a system without /proc
        return False
    return state == "Z"
