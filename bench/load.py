"""Load on one address, made and measured by wrk."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from local.commands import run
from local.errors import LocalError

SCRIPT = Path(__file__).parent / "wrk.lua"

# An answer that takes longer counts as a failure. A lock that two hundred clients wait for takes some seconds.
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Load:
    """How one run went.

    Attributes:
        seconds: How long it took.
        answers: How many requests were answered with a status below 400.
        failures: How many were refused, answered too late, or lost with their connection.
        p50: Milliseconds within which half of the requests were answered.
        p99: Milliseconds within which 99 of 100 were. Of wrk's runs it is corrected for the requests that a client
            would have sent had it not waited for a slow answer (coordinated omission); p50 is not.
    """

    seconds: float
    answers: int
    failures: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds


def require_wrk() -> None:
    """Raises LocalError where there is no wrk."""
    if shutil.which("wrk") is None:
        raise LocalError("there is no `wrk` on PATH; install it: `apt-get install wrk`")


def put_load(url: str, connections: int, seconds: int, told: Path | None = None) -> Load:
    """Keep that many connections busy for so long, each with one request at a time.

    Args:
        url: What to ask for.
        connections: How many at once.
        seconds: How long.
        told: A file for the values that increments were told, one a line. None: none are kept.

    Raises LocalError if wrk fails or nothing answers.
    """
    command = [
        "wrk",
        "--threads=1",  # it does more than the servers can, and leaves them the other processors
        f"--connections={connections}",
        f"--duration={seconds}s",
        f"--timeout={PATIENCE_SECONDS}s",
        f"--script={SCRIPT}",
        url,
        *(["--", str(told)] if told else []),
    ]
    return parse(run(command))


def parse(output: str) -> Load:
    """The run that wrk printed this of, with the script. Raises LocalError if no request was answered."""
    summaries = [line for line in output.splitlines() if line.startswith("{")]
    if not summaries:
        raise LocalError(f"wrk printed no summary but this:\n{output}")
    summary: dict[str, int] = json.loads(summaries[-1])
    answers = summary["requests"] - summary["refused"]
    if answers == 0:
        raise LocalError(f"wrk got no answer:\n{output}")
    return Load(
        seconds=summary["microseconds"] / 1e6,
        answers=answers,
        failures=summary["refused"] + summary["broken"] + summary["late"],
        p50=summary["p50"] / 1e3,
        p99=summary["p99"] / 1e3,
    )
