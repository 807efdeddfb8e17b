"""The environment that a process is started with, read in one place: variables with rules, and all faults at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """The environment can't be used. The text names every variable at fault, its value and what would be right."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n  ".join(["The environment is wrong:", *faults]))


@dataclass(frozen=True)
class Variable:
    """One variable.

    Attributes:
        name: What it is called.
        parse: Makes a value of its text. Raises ValueError that says what is wrong, to follow the text.
        rule: What it must be, to follow "must be".
        default: Its text where it is not set; None: it must be set.
    """

    name: str
    parse: Callable[[str], object]
    rule: str
    default: str | None = None


def check(variables: Sequence[Variable], environment: Mapping[str, str]) -> None:
    """Raises SettingsError with all faults at once, so that nobody has to start a process once for each."""
    faults = [fault for variable in variables for fault in _faults(variable, environment)]
    if faults:
        raise SettingsError(faults)


def describe(variables: Sequence[Variable]) -> str:
    """Return one line for each variable, for people."""
    return "\n".join(["environment:", *(f"  {variable.name:<17} {variable.rule}" for variable in variables)])


def parse_name(value: str) -> str:
    """Any text but blanks. Raises ValueError."""
    if not value.strip():
        raise ValueError("is empty")
    return value


def parse_port(value: str) -> int:
    """A TCP port. Raises ValueError."""
    if not (value.isascii() and value.isdigit()):
        raise ValueError("is no number")
    port = int(value)
    if not 1 <= port <= 65535:
        raise ValueError("has a port out of range")
    return port


def parse_log_level(value: str) -> str:
    """One of LOG_LEVELS. Raises ValueError."""
    if value not in LOG_LEVELS:
        raise ValueError("is no level")
    return value


def _faults(variable: Variable, environment: Mapping[str, str]) -> Iterator[str]:
    value = environment.get(variable.name, variable.default)
    if value is None:
        yield f"{variable.name} is not set, but must be {variable.rule}"
        return
    try:
        variable.parse(value)
    except ValueError as error:
        yield f"{variable.name}={value!r} {error}, but must be {variable.rule}"
