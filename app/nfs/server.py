"""Make the volume what nfs-ganesha exports (ganesha.conf, beside this file), and become the server."""

import os
from pathlib import Path
from typing import NoReturn

GANESHA = "/usr/bin/ganesha.nfsd"
CONFIG = Path(__file__).with_name("ganesha.conf")

VOLUME = Path("/data")
PROBE_FILE = ".probe"
PROBE_TEXT = b"served\n"

# The user that all clients are taken for.
_USER = 65532


def command() -> list[str]:
    """Return the server's command line, program first: in the foreground, with its log on stdout."""
    return [GANESHA, "-F", "-f", str(CONFIG), "-L", "STDOUT", "-p", "/run/ganesha.pid"]


def prepare(volume: Path) -> None:
    """Make the folders that ganesha.conf names, and the file that the probe reads. Raises OSError if that can't be."""
    (volume / "recovery").mkdir(exist_ok=True)
    exported = volume / "snapshots"
    exported.mkdir(exist_ok=True)
    # The volume belongs to whoever made it, and so does a new folder in it.
    os.chown(exported, _USER, _USER)
    (exported / PROBE_FILE).write_bytes(PROBE_TEXT)


def serve() -> NoReturn:
    """Become nfs-ganesha: same process, so that signals reach it. Raises OSError if that can't be."""
    prepare(VOLUME)
    arguments = command()
    print(f"starting: {' '.join(arguments)}", flush=True)  # exec drops what is buffered
    os.execv(arguments[0], arguments)
