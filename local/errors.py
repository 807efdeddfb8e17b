"""What users see when something goes wrong: a sentence that names it and what to do, never a traceback."""

import errno
import os
import select
import sys
from collections.abc import Callable

from rich.console import Console


class LocalError(Exception):
    """Something went wrong that its message explains to the user."""


def exit_code(command: Callable[[], int]) -> int:
    """Run a command. What it returns, or 1 after an error of the user's world and 130 after Ctrl-C, told on stderr."""
    console = Console(stderr=True)
    try:
        code = command()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        if not _is_read_no_further():
            raise
        # Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except LocalError as error:
        told = str(error)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        told = f"{error.filename or 'a file'} can't be written: {error.strerror}"
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on from here", style="red")
        return 130
    console.print(f"error: {told}", markup=False, highlight=False, style="red", soft_wrap=True)
    return 1


def _is_read_no_further() -> bool:
    """Whether who reads what is printed wants no more, as `head` does. Any other connection that broke is a fault."""
    reader = select.poll()
    reader.register(sys.stdout.fileno(), 0)  # that it is gone is told without being asked for
    return any(event & select.POLLERR for _, event in reader.poll(0))
