"""What is put under load, and what is compared with what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

INCREMENT = "/increment"
STATIC = "/static"
HEALTHZ = "/healthz"
LOCK_INCREMENT = "/increment, lock"
GO_STATIC = "/static, Go"
GUNICORN_INCREMENT = "/increment, gunicorn"
GUNICORN_STATIC = "/static, gunicorn"
RAW_TRANSACTION = "raw transaction"

LOCK_COUNTER_PORT = 30181
GO_SERVER_PORT = 30182
GUNICORN_PORT = 30183

# What counts with the counter's own protocol, and so must count exactly.
EXACT = (INCREMENT, GUNICORN_INCREMENT)


@dataclass(frozen=True)
class Target:
    """One path of one server.

    Attributes:
        name: What tables and pictures call it.
        node_port: Where the server answers on every node.
        path: What to ask for.
        counts: Whether each answer is an increment.
    """

    name: str
    node_port: int
    path: str
    counts: bool = False


@dataclass(frozen=True)
class Comparison:
    """How many times as much one target has as another one, and how many times it should be.

    Attributes:
        numerator: The one.
        denominator: The other.
        of: What is compared: answers per second, or the time within which half of the requests are answered.
        at_least: The least that is asked for, by concurrency.
        at_most: The most that is allowed, by concurrency.
    """

    numerator: str
    denominator: str
    of: Literal["rate", "p50"] = "rate"
    at_least: Mapping[int, float] = field(default_factory=dict)
    at_most: Mapping[int, float] = field(default_factory=dict)


COMPARISONS = (
    Comparison(INCREMENT, LOCK_INCREMENT, at_least={3: 5, 50: 25, 200: 40}),
    Comparison(INCREMENT, GUNICORN_INCREMENT),
    Comparison(INCREMENT, STATIC, at_least={50: 0.3}),
    Comparison(INCREMENT, RAW_TRANSACTION, of="p50", at_most={1: 1.6}),
    Comparison(STATIC, GO_STATIC, at_least={50: 0.6}),
    Comparison(STATIC, GUNICORN_STATIC),
    Comparison(HEALTHZ, STATIC, at_least={1: 0.9, 3: 0.9, 50: 0.9, 200: 0.9}),
)


def targets(counter_port: int) -> list[Target]:
    """All targets; the counter's own node port is up to its stack."""
    return [
        *counter_targets(counter_port),
        Target(LOCK_INCREMENT, LOCK_COUNTER_PORT, "/increment", counts=True),
        Target(GO_STATIC, GO_SERVER_PORT, "/static"),
        Target(GUNICORN_INCREMENT, GUNICORN_PORT, "/increment", counts=True),
        Target(GUNICORN_STATIC, GUNICORN_PORT, "/static"),
    ]


def counter_targets(port: int) -> list[Target]:
    """The targets at the counter itself."""
    return [
        Target(INCREMENT, port, "/increment", counts=True),
        Target(STATIC, port, "/static"),
        Target(HEALTHZ, port, "/healthz"),
    ]
