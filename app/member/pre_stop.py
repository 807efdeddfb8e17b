"""What a member does before it stops: if it leads, it has backup take a snapshot, which holds all that was answered.

Kubernetes runs `python -m member.pre_stop` in the container before it tells etcd to stop. A member that stops must not
be held up: the program ends within eight seconds, and with success, whatever happened. It says so in one line, in the
container's log, too: Kubernetes shows what a hook prints only if the hook fails.
"""

import argparse
import os
import socket
import sys
import threading
from contextlib import suppress

METRICS = ("127.0.0.1", 2381)
METRICS_TIMEOUT = 2.0

# Seconds after which it gives up. The rest of the eight is for Python's start.
LIMIT = 7.5

# What the container's first process, etcd, writes its log to.
LOG = "/proc/1/fd/1"

_LEADS = b"\netcd_server_is_leader "


def main() -> int:
    """Returns 0 always."""
    watchdog = threading.Timer(LIMIT, _give_up)
    # One that can't hold up the end itself.
    watchdog.daemon = True
    watchdog.start()
    argparse.ArgumentParser(
        prog="member.pre_stop",
        description=__doc__,
        epilog="environment:\n  BACKUP_URL  where backup answers, like http://etcd-backup:8080 (no backup if not set)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        _say(save_if_leader(os.environ.get("BACKUP_URL", "")))
    except Exception as error:
        _say(f"no snapshot: {error!r}")
    return 0


def save_if_leader(backup_url: str) -> str:
    """Have a snapshot taken if this member leads, and return what there is to say of it."""
    if not backup_url:
        return "no snapshot, there is no backup"
    try:
        leads = _leads()
    except OSError as error:
        return f"no snapshot, whether this member leads is not known: {error}"
    return _save(backup_url) if leads else "no snapshot, this member does not lead"


def _leads() -> bool:
    """Raises OSError if etcd does not answer."""
    with socket.create_connection(METRICS, METRICS_TIMEOUT) as connection:
        # Without urllib, whose import takes longer than all else here, and no more of the page than is needed.
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        page = b""
        while piece := connection.recv(1 << 16):
            page += piece
            _, found, rest = page.partition(_LEADS)
            if found and rest:
                return rest.startswith(b"1")
    raise ConnectionError("etcd's metrics don't tell")


def _save(backup_url: str) -> str:
    # Only the leader needs these.
    from member import backup

    try:
        snapshot = backup.save(backup_url, LIMIT)
    except backup.BackupError as error:
        return f"this member leads, but there is no snapshot of it: {error}"
    told = ", ".join(f"{field} {snapshot.get(field)}" for field in ("name", "revision", "count"))
    return f"this member leads, saved: {told}"


def _give_up() -> None:
    """End the process, whatever else hangs: a look-up of a name can't be interrupted otherwise."""
    _say(f"no snapshot, gave up after {LIMIT} s")
    os._exit(0)


def _say(text: str) -> None:
    line = f"before stop: {text}\n".encode()
    # Where nobody is there to be told, nothing is lost.
    with suppress(OSError):
        os.write(1, line)
    with suppress(OSError):
        # A log that nobody reads must not hold up the end.
        log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
        os.write(log, line)


if __name__ == "__main__":
    sys.exit(main())
