"""Whether a daemon serves: it takes connections, or says over HTTP that it is well."""

import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path

TIMEOUT = 2.0


def answers_ok(url: str, authority: Path | None = None, client: Path | None = None) -> bool:
    """Whether a GET is answered with 200; `client` is the path of a key and certificate, without .key and .crt."""
    try:
        context = ssl.create_default_context(cafile=authority) if authority else None
        if context and client:
            context.load_cert_chain(f"{client}.crt", f"{client}.key")
    except FileNotFoundError:  # certificates that were not made yet: nobody serves with them
        return False
    # The cluster is on this machine: a proxy meant for the world outside can't reach it.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=context)] if context else [])
    )
    try:
        with opener.open(url, timeout=TIMEOUT) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def accepts(path: Path) -> bool:
    """Whether somebody listens on the Unix socket. That the file is there says nothing: it outlives who made it."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
