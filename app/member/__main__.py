"""The entry point of the etcd container: `python -m member` decides how to start etcd, then becomes it."""

import argparse
import os
import signal
import sys

from member import launcher, settings
from service.environment import SettingsError, describe


def main() -> int:
    """Replace this process by etcd. Returns an exit code only if that can't be: 2 if the environment is wrong."""
    argparse.ArgumentParser(
        prog="member",
        description=__doc__,
        epilog=describe(settings.VARIABLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    # The first process of a container has no default for this: without a handler it would wait on.
    signal.signal(signal.SIGTERM, _end)
    try:
        launcher.launch(settings.from_environment(os.environ))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"etcd can't be started: {error}", file=sys.stderr)
        return 1


def _end(*_: object) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
