"""Whether the NFS server serves: read a file of the export over NFS, as a client would.

nfs-ganesha listens, and answers, also when it could not export the volume. So an open port says nothing.

One request of NFSv4.0 does: that version needs no session, and a file that is read only must not be opened. Sources:
RFC 5531 (the call around it), RFC 7530 (what is in it).
"""

import argparse
import socket
import struct
import sys

from nfs.server import PROBE_FILE, PROBE_TEXT

PORT = 2049
TIMEOUT = 4.0  # seconds; below the pod's own limit, so that there is a word on it

_PATH = ("snapshots", PROBE_FILE)

_CALL, _RPC_VERSION, _NFS, _NFS_VERSION, _COMPOUND = 0, 2, 100003, 4, 1
_AUTH_NONE, _AUTH_SYS = 0, 1
_LOOKUP, _PUTROOTFH, _READ = 15, 24, 25
_LAST_FRAGMENT = 1 << 31
_TRANSACTION = 1
_ANONYMOUS = bytes(16)  # the stateid of somebody who did not open the file


class ProbeError(Exception):
    """The server does not serve; the message says what it answered."""


def check(host: str, port: int = PORT) -> None:
    """Raises ProbeError if the file can't be read, OSError if nobody answers in time."""
    with socket.create_connection((host, port), TIMEOUT) as connection:
        call = _call()
        connection.sendall(_number(_LAST_FRAGMENT | len(call)) + call)
        [header] = struct.unpack(">I", _receive(connection, 4))
        reply = _receive(connection, header & ~_LAST_FRAGMENT)
    status = _status(reply)
    if status != 0:
        raise ProbeError(f"/{'/'.join(_PATH)}: NFS error {status}")
    if not reply.endswith(_opaque(PROBE_TEXT)):
        raise ProbeError(f"/{'/'.join(_PATH)}: other content than was written")


def _call() -> bytes:
    operations = [
        _number(_PUTROOTFH),
        *(_number(_LOOKUP) + _opaque(name.encode()) for name in _PATH),
        _number(_READ) + _ANONYMOUS + struct.pack(">QI", 0, len(PROBE_TEXT)),
    ]
    nobody = _number(0) + _opaque(b"probe") + _number(0) * 3  # stamp, machine, user, group, no further groups
    return b"".join(
        [
            *map(_number, (_TRANSACTION, _CALL, _RPC_VERSION, _NFS, _NFS_VERSION, _COMPOUND)),
            _number(_AUTH_SYS) + _opaque(nobody),
            _number(_AUTH_NONE) + _opaque(b""),
            _opaque(b"") + _number(0) + _number(len(operations)),  # no tag, minor version 0
            *operations,
        ]
    )


def _status(reply: bytes) -> int:
    """What NFS says of the whole request. Raises ProbeError if the call did not get so far."""
    # Transaction, a reply, accepted, a verifier of no kind and length, executed.
    header = struct.pack(">6I", _TRANSACTION, 1, 0, _AUTH_NONE, 0, 0)
    if len(reply) < len(header) + 4 or not reply.startswith(header):
        raise ProbeError(f"no answer to an NFS request: {reply[:64].hex()}")
    [status] = struct.unpack_from(">I", reply, len(header))
    return int(status)


def _receive(connection: socket.socket, count: int) -> bytes:
    """Raises ProbeError if the server hangs up before that."""
    received = b""
    while len(received) < count:
        more = connection.recv(count - len(received))
        if not more:
            raise ProbeError("the server hung up")
        received += more
    return received


def _number(value: int) -> bytes:
    return struct.pack(">I", value)


def _opaque(content: bytes) -> bytes:
    """Bytes with their length before them, filled up to whole words."""
    return _number(len(content)) + content + bytes(-len(content) % 4)


def main() -> int:
    argparse.ArgumentParser(prog="nfs.probe", description=__doc__.splitlines()[0]).parse_args()
    try:
        check("127.0.0.1")
    except (ProbeError, OSError) as error:
        print(f"the NFS server does not serve: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
