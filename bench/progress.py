"""How far a long run is."""

import itertools
from collections.abc import Callable

from rich.console import Console


def numbered(total: int, console: Console) -> Callable[[str], None]:
    """Return what prints a line for each part of the run that is over, with how many there are."""
    over = itertools.count(1)

    def tell(line: str) -> None:
        console.print(f"[{next(over)}/{total}] {line}", markup=False, highlight=False, soft_wrap=True)

    return tell
