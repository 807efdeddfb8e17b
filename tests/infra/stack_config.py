"""Configs for tests, made from the schema in Pulumi.yaml."""

from collections.abc import Callable, Mapping
from contextvars import Context
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pulumi.runtime import set_all_config

ROOT = Path(__file__).parents[2]
PROJECT = "ha-counter"

T = TypeVar("T")


def schema() -> dict[str, dict[str, Any]]:
    """The config's keys with their types, descriptions and defaults, as Pulumi.yaml declares them."""
    config: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    return config


def full_config() -> dict[str, str]:
    """A config the way an engine hands it over: defaults filled in, every value a string."""
    defaults = {key: entry["default"] for key, entry in schema().items()}
    return {**defaults, "context": "test-cluster", "registry": "registry.example.com"}


def with_config(config: Mapping[str, str], function: Callable[[], T]) -> T:
    """Call a function with a config, and with nothing of an earlier call.

    Pulumi keeps all its state in context variables, so an empty context is a fresh start.
    """

    def call() -> T:
        set_all_config({f"{PROJECT}:{key}": value for key, value in config.items()})
        return function()

    return Context().run(call)
