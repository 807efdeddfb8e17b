"""Keep snapshots of etcd that are known to restore, and the log between them: `python -m backup`.

Without a command, serve. With one, ask the process that serves in this pod.
"""

import argparse
import logging
import os
import signal
import socket
import sys
import tempfile
from contextlib import closing
from types import FrameType
from typing import NoReturn

from waitress import create_server  # type: ignore[import-untyped]  # waitress ships no types

from backup import commands, settings
from backup.api import SLOW_AT_ONCE, create_app
from backup.client import Client
from backup.metrics import Metrics
from backup.service import Backup
from backup.settings import Settings
from backup.views import Core
from service import logs
from service.environment import SettingsError, describe
from service.threads import end_process_with_any

_log = logging.getLogger(__name__)

# Some for requests that are answered at once, however many are not.
_THREADS = SLOW_AT_ONCE + 8

_CONNECTIONS = 200
_HEADER_BYTES = 16 * 1024
_BODY_BYTES = 8 * 1024**3  # the most that etcd's database may have is said to be 8 GiB

# What waits to be sent to one client. More would go into a file, and a slow client would fill the disk.
_UNSENT_BYTES = 512 * 1024

# Milliseconds until a client is given up that takes nothing: it holds a thread.
_CLIENT_TIMEOUT = 60_000


def main() -> int:
    """Serve until the process is told to stop, or do what a command says.

    Returns the exit code: 0 after a stop that was asked for, 2 if the environment is wrong, 1 if a command failed.
    """
    parser = argparse.ArgumentParser(
        prog="backup",
        description=__doc__,
        epilog=describe(settings.VARIABLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands.add_commands(parser)
    arguments = parser.parse_args()
    try:
        config = settings.from_environment(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2

    if arguments.command is not None:
        return _ask(arguments, config)
    logs.set_up(config.log_level, config.pod)
    # To crash does no harm to what is saved.
    end_process_with_any()
    _stop_on_signals()
    # Large bodies wait in files, and nowhere else can any be written.
    tempfile.tempdir = str(config.scratch)
    _serve(config)
    return 0


def _ask(arguments: argparse.Namespace, config: Settings) -> int:
    return commands.run(
        arguments,
        commands.Surroundings(Client(config.port), sys.stdin.buffer, sys.stdout.buffer),
    )


def _serve(config: Settings) -> None:
    metrics = Metrics()
    with closing(Backup(config, metrics)) as backup:
        _run(backup, metrics, config.port)
    _log.info("stopped")


def _run(core: Core, metrics: Metrics, port: int) -> None:
    """Serve until a signal comes."""
    # Clients that leave are no news, nor is that for a moment there are more than threads.
    logging.getLogger("waitress").setLevel(logging.ERROR)
    server = create_server(
        create_app(core, metrics),
        host="0.0.0.0",
        port=port,
        threads=_THREADS,
        connection_limit=_CONNECTIONS,
        max_request_header_size=_HEADER_BYTES,
        max_request_body_size=_BODY_BYTES,
        outbuf_high_watermark=_UNSENT_BYTES,
        asyncore_use_poll=True,
        ident=None,  # no Server header
        clear_untrusted_proxy_headers=False,  # nothing here believes them
        log_socket_errors=False,
    )
    # Connections have it from the socket that takes them.
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _CLIENT_TIMEOUT)
    _log.info("serving on port %s", server.effective_port)
    server.run()


def _stop_on_signals() -> None:
    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # the end is near, and is to be in order
        # The server finishes what is under way, for some seconds.
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


if __name__ == "__main__":
    sys.exit(main())
