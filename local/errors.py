"""What users see when something goes wrong: a sentence that names it and what to do, never a traceback."""

from collections.abc import Callable

from rich.console import Console


class LocalError(Exception):
    """Something went wrong that its message explains to the user."""


def exit_code(command: Callable[[], int]) -> int:
    """Run a command. What it returns, or 1 after a LocalError and 130 after Ctrl-C, which are told on stderr."""
    console = Console(stderr=True)
    try:
        return command()
    except LocalError as error:
        console.print(f"error: {error}", markup=False, highlight=False, style="red", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on from here", style="red")
        return 130
