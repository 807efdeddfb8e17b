"""What can't be undone is asked for first."""

import sys

from local.errors import LocalError


def make_sure(consequence: str, yes: bool, *, otherwise: str) -> None:
    """Go on if the user agrees. Raises LocalError unless so, with what did not happen."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise LocalError(f"{consequence} To say yes without being asked: YES=1")
    if input(f"{consequence} Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise LocalError(otherwise)
