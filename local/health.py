"""Whether a daemon serves: it says over HTTP or gRPC that it is well."""

import ssl
import urllib.error
import urllib.request
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed

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


def runtime_answers(path: Path) -> bool:
    """Whether a container runtime answers on the Unix socket. It takes connections some time before it is ready."""
    with grpc.insecure_channel(f"unix:{path}") as channel:
        try:
            # Without any message types: nothing is asked, and what is answered does not matter.
            channel.unary_unary("/runtime.v1.RuntimeService/Version")(b"", timeout=TIMEOUT)
        except grpc.RpcError:
            return False
    return True
