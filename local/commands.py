"""Run a program to its end; what it printed goes into the error if it fails."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.errors import LocalError


def run(
    command: Sequence[str | Path],
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """What the command printed. With `log`, its output goes there as it comes.

    Raises LocalError with the command, its exit code and its last lines.
    """
    words = [str(word) for word in command]
    try:
        if log is None:
            done = subprocess.run(
                words, capture_output=True, text=True, errors="replace", env=env, cwd=cwd, stdin=subprocess.DEVNULL
            )
            output = done.stdout + done.stderr
        else:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("w") as sink:
                done = subprocess.run(
                    words, stdout=sink, stderr=subprocess.STDOUT, text=True, env=env, cwd=cwd, stdin=subprocess.DEVNULL
                )
            output = log.read_text(errors="replace")
    except FileNotFoundError as error:
        raise LocalError(f"{words[0]}: no such program") from error
    except PermissionError as error:
        raise LocalError(f"`{' '.join(words)}`: {error.filename}: permission denied") from error
    if done.returncode != 0:
        tail = "\n".join(output.strip().splitlines()[-5:])
        where = f" (all of it: {log})" if log else ""
        raise LocalError(f"`{' '.join(words)}` failed with exit code {done.returncode}{where}:\n{tail}")
    return done.stdout or ""
