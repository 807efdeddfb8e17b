"""What is put under load, and what is compared with what."""

from dataclasses import dataclass

INCREMENT = "/increment"
STATIC = "/static"
HEALTHZ = "/healthz"
LOCK_INCREMENT = "/increment, lock"
GO_STATIC = "/static, Go"

LOCK_COUNTER_PORT = 30181
GO_SERVER_PORT = 30182


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
    """How many times the rate of one target another one has."""

    numerator: str
    denominator: str


COMPARISONS = (
    Comparison(INCREMENT, LOCK_INCREMENT),
    Comparison(INCREMENT, STATIC),
    Comparison(STATIC, GO_STATIC),
    Comparison(HEALTHZ, STATIC),
)


def targets(counter_port: int) -> list[Target]:
    """All targets; the counter's own node port is up to its stack."""
    return [
        Target(INCREMENT, counter_port, "/increment", counts=True),
        Target(LOCK_INCREMENT, LOCK_COUNTER_PORT, "/increment", counts=True),
        Target(STATIC, counter_port, "/static"),
        Target(GO_STATIC, GO_SERVER_PORT, "/static"),
        Target(HEALTHZ, counter_port, "/healthz"),
    ]
