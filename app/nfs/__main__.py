"""The entry point of the NFS server's container: `python -m nfs` prepares the volume, then becomes nfs-ganesha."""

import argparse
import sys

from nfs import server


def main() -> int:
    """Replace this process by nfs-ganesha. Returns an exit code only if that can't be."""
    argparse.ArgumentParser(prog="nfs", description=__doc__).parse_args()
    try:
        server.serve()
    except OSError as error:
        print(f"the NFS server can't be started: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
