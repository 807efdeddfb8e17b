"""The entry point of the etcd container: `python -m member` decides how to start etcd, then becomes it."""

import argparse
import os
import sys

from member import launcher


def main() -> int:
    """Replace this process by etcd. Returns an exit code only if that can't be: 2 if the environment is wrong."""
    argparse.ArgumentParser(
        prog="member",
        description=__doc__,
        epilog=launcher.ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        member = launcher.from_environment(os.environ)
    except launcher.SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        launcher.launch(member)
    except OSError as error:
        print(f"etcd can't be started: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
