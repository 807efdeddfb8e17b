"""Decide how the members of etcd start, and replace those that are lost: `python -m controller`."""

import argparse
import logging
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

from waitress import create_server  # type: ignore[import-untyped]  # waitress ships no types

from controller import settings
from controller.api import create_app
from controller.backup_service import BackupService
from controller.controller import Controller
from controller.hearing import Hearing
from controller.kubernetes_api import KubernetesApi
from controller.members import Members
from controller.metrics import Metrics
from controller.settings import Settings
from controller.surroundings import UnavailableError
from service import logs
from service.environment import SettingsError, describe
from service.threads import end_process_with_any

_log = logging.getLogger(__name__)

# Each member that asks holds one until it is answered.
_THREADS = 16


def main() -> int:
    """Serve until the process is told to stop.

    Returns the exit code: 0 after a stop that was asked for, 2 if the environment is wrong, 1 without an account.
    """
    argparse.ArgumentParser(
        prog="controller",
        description=__doc__,
        epilog=describe(settings.VARIABLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        config = settings.from_environment(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    logs.set_up(config.log_level, config.pod)
    # To crash does no harm: what was decided is in the record.
    end_process_with_any()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        _serve(config)
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _serve(config: Settings) -> None:
    hearing, metrics = Hearing(), Metrics()
    controller = Controller(
        config.pod,
        KubernetesApi(config.namespace),
        Members(),
        BackupService(config.backup_url) if config.backup_url else None,
        hearing,
        metrics,
    )
    threading.Thread(target=controller.run, args=(threading.Event(),), name="controller", daemon=True).start()
    logging.getLogger("waitress").setLevel(logging.ERROR)
    server = create_server(
        create_app(hearing, controller.decided, metrics),
        host="0.0.0.0",
        port=config.port,
        threads=_THREADS,
        asyncore_use_poll=True,
        ident=None,  # no Server header
        clear_untrusted_proxy_headers=False,  # nothing here believes them
    )
    _log.info("serving on port %s", server.effective_port)
    server.run()


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
