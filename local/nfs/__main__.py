"""Mount a folder of an NFS server: what mount(8) runs as /sbin/mount.nfs. Ends once it is mounted; a process stays."""

import argparse
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from local.nfs import mount_options
from local.nfs.mount_options import Mount, MountError

# What mount(8) takes for "it could not be mounted".
FAILED = 32

MOUNTED = b"\0"


def main() -> int:
    arguments = _parser().parse_args()
    try:
        words = [word for text in arguments.options for word in text.split(",")]
        mount = mount_options.parse(arguments.source, arguments.target, words)
    except MountError as error:
        print(f"mount.nfs: {error}", file=sys.stderr)
        return FAILED
    messages, report = os.pipe()
    if os.fork() == 0:
        os.close(messages)
        _stay(mount, report, arguments.log)
    os.close(report)
    return _outcome(messages)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mount.nfs", description=__doc__.splitlines()[0])
    parser.add_argument("source", metavar="HOST:/PATH", help="what to mount")
    parser.add_argument("target", metavar="FOLDER", help="where")
    parser.add_argument(
        "-o",
        dest="options",
        metavar="OPTION[=VALUE],...",
        action="append",
        default=[],
        help="as in nfs(5): soft, hard, timeo, retrans, port, noresvport, and ro, nosuid, nodev, noexec, noatime",
    )
    parser.add_argument("-r", dest="options", action="append_const", const="ro", help="the same as -o ro")
    parser.add_argument("-w", dest="options", action="append_const", const="rw", help="the same as -o rw")
    for flag in ("-n", "-v"):
        parser.add_argument(flag, action="store_true", help="no effect; mount(8) passes it on")
    parser.add_argument("--log", type=Path, default=os.devnull, help="the file for what goes wrong later")
    return parser


def _outcome(messages: int) -> int:
    """Wait for the other process: it is mounted when that says so, and not if that ends before."""
    with os.fdopen(messages, "rb") as pipe:
        said = pipe.read()
    if said.endswith(MOUNTED):
        return 0
    sys.stderr.write(said.decode(errors="replace") or "mount.nfs: it ended without a word\n")
    return FAILED


def _stay(mount: Mount, report: int, log: Path) -> NoReturn:
    """Serve the mount until it is unmounted. What goes wrong before it is mounted goes to `report`, then to the log.

    The caller's pipes are let go: the kubelet waits until nobody holds them.
    """
    os.setsid()
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)
    os.dup2(report, 2)
    os.close(report)

    def mounted() -> None:
        os.write(2, MOUNTED)
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640), 2)
        logging.getLogger().setLevel(logging.WARNING)
        logging.warning("%s is mounted at %s", mount.source, mount.target)

    logging.basicConfig(format=f"%(asctime)s {mount.target}: %(message)s", level=logging.ERROR)
    status = 1
    try:
        # Only now: threads don't survive a fork, and the libraries may start some.
        from local.nfs import fuse_mount

        fuse_mount.serve(mount, mounted)
        logging.warning("%s is unmounted", mount.source)
        status = 0
    except (MountError, OSError) as error:  # also one of a library that is missing
        print(f"mount.nfs: {error}", file=sys.stderr)
    except Exception:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)  # without a word to a server that may be away


if __name__ == "__main__":
    sys.exit(main())
